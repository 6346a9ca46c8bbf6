"""From a draft to a real mail server: who gets a message, who does not, and what the report says."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from uuid import uuid4

import pytest

from misentinel.kernel import clock
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.messages import actions, queries
from misentinel.messages.channels.mailbox import MailboxChannel
from misentinel.messages.contracts import DeliveryState, Draft, Kind, MessageState
from misentinel.messages.jobs import has_work, send_due
from misentinel.messages.rules.templates import Content
from misentinel.messages.tests.people import (
    ASHA,
    auto,
    come_in,
    crowd,
    drain,
    identify,
    mailer,
    manual,
    person_id,
    reasons,
    states,
    track,
)  # fmt: skip
from misentinel.messages.tests.sinks import Inbox, Scripted, mail_server
from misentinel.people import queries as people
from misentinel.segments import actions as segments
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.vault import actions as vault_actions


def delivered(store, **options):
    """Sends what is due to a real server; returns what arrived, by recipient."""
    inbox = Inbox(pipelining=True)
    with mail_server(inbox) as port:
        send_due(store, mailer(port, **options))
    assert all(count == 1 for count in inbox.received().values())
    return {
        recipients[0]: email.message_from_bytes(content, policy=email.policy.default)
        for _, recipients, content in inbox.messages
    }


def test_a_manual_message_reaches_its_segment_and_nobody_else(acme):
    come_in(acme, identify("asha", plan="pro", name="Asha"), identify("ben", plan="free"))
    rule = {"attribute": "plan", "test": "is", "value": "pro"}
    segment = segments.create_segment(acme, ASHA, "Paying", rule)
    message = manual(acme, segment_id=segment.id)
    assert actions.send_message(acme, ASHA, message.id) == 1
    mails = delivered(acme)
    assert list(mails) == ["asha@example.com"]
    assert mails["asha@example.com"]["Subject"] == "Hi Asha"
    assert states(acme, message) == {"sent": 1}
    assert queries.get_message(acme, message.id).state is MessageState.SENT
    assert delivered(acme) == {}


def test_a_manual_message_goes_out_once_whoever_asks(acme):
    crowd(acme, 3)
    message = manual(acme)
    assert actions.send_message(acme, ASHA, message.id) == 3
    for attempt in (actions.send_message, actions.set_live, actions.pause_message):
        with pytest.raises(Conflict):
            attempt(acme, ASHA, message.id)
    with pytest.raises(Conflict):
        actions.edit_message(acme, ASHA, message.id, queries.get_message(acme, message.id).draft)


def test_who_joins_after_the_start_is_not_written_to(acme):
    crowd(acme, 2)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    come_in(acme, identify("late"))
    assert sorted(delivered(acme)) == ["p0@example.com", "p1@example.com"]


def test_an_event_sends_its_auto_message_with_what_it_brought(acme):
    come_in(acme, identify("asha", name="Asha <b>"))
    drain(acme)
    message = auto(acme)
    come_in(acme, track("asha", "Order", item="a lamp"), track("asha", "Login"))
    drain(acme)
    mail = delivered(acme)["asha@example.com"]
    assert mail.get_body(("html",)).get_content().strip() == "<p>Asha &lt;b&gt; bought a lamp</p>"
    assert mail.get_body(("plain",)).get_content().strip() == "Asha <b> bought a lamp"
    assert states(acme, message) == {"sent": 1}


def test_every_event_counts_and_each_but_once(acme):
    come_in(acme, identify("asha"))
    message = auto(acme)
    payloads = []
    come_in(acme, track("asha", "Order"), track("asha", "Order"))
    with acme.connection.cursor() as cursor:
        cursor.execute("SELECT min(id::text), max(id::text) FROM events_event")
        first, last = cursor.fetchone()
    payloads = [{"first": first, "last": last, "names": names} for names in (["Order"], None, ["Order", "Login"])]
    for payload in payloads:
        with acme.atomic():
            actions.consider(acme, payload)
    assert states(acme, message) == {"queued": 2}


def test_what_happened_before_a_message_went_live_sends_nothing(acme):
    come_in(acme, identify("asha"), track("asha", "Order"))
    message = auto(acme)
    drain(acme)
    assert states(acme, message) == {}


def test_a_delay_is_kept_and_counts_from_the_event(acme):
    come_in(acme, identify("asha"))
    message = auto(acme, delay_seconds=3600)
    come_in(acme, track("asha", "Order"))
    drain(acme)
    assert delivered(acme) == {} and not has_work(acme)
    due = queries.next_due(acme)
    with clock.held(due - timedelta(seconds=1)):
        assert delivered(acme) == {}
    with clock.held(due):
        assert has_work(acme)
        assert list(delivered(acme)) == ["asha@example.com"]
    assert states(acme, message) == {"sent": 1}


def test_an_auto_message_for_a_segment_leaves_others_alone(acme):
    come_in(acme, identify("asha", plan="pro"), identify("ben", plan="free"))
    rule = {"attribute": "plan", "test": "is", "value": "pro"}
    segment = segments.create_segment(acme, ASHA, "Paying", rule)
    auto(acme, segment_id=segment.id)
    come_in(acme, track("asha", "Order"), track("ben", "Order"))
    drain(acme)
    assert list(delivered(acme)) == ["asha@example.com"]


def test_pausing_skips_what_still_waited(acme):
    come_in(acme, identify("asha"))
    message = auto(acme)
    come_in(acme, track("asha", "Order"))
    drain(acme)
    actions.pause_message(acme, ASHA, message.id)
    assert delivered(acme) == {}
    assert (states(acme, message), reasons(acme, message)) == ({"skipped": 1}, {"paused": 1})


def test_what_pausing_left_out_stays_so_when_the_message_goes_live_again(acme):
    crowd(acme, 1)
    message = auto(acme, delay_seconds=60)
    come_in(acme, track("p0", "Order"))
    drain(acme)
    assert actions.pause_message(acme, ASHA, message.id) == 1
    assert (states(acme, message), reasons(acme, message)) == ({"skipped": 1}, {"paused": 1})
    actions.set_live(acme, ASHA, message.id)
    with clock.held(clock.now() + timedelta(minutes=2)):
        assert delivered(acme) == {}
    assert states(acme, message) == {"skipped": 1}


def test_who_unsubscribed_between_queue_and_sending_gets_nothing(acme):
    crowd(acme, 2)
    first, second = manual(acme), manual(acme, name="Second")
    actions.send_message(acme, ASHA, first.id)
    mail = delivered(acme)["p0@example.com"]
    actions.send_message(acme, ASHA, second.id)
    link = queries.find_unsubscription(mail["List-Unsubscribe"].strip("<>").rpartition("/u/")[2])
    assert link.store == acme and not link.done
    actions.unsubscribe(acme, ASHA, link)
    actions.unsubscribe(acme, ASHA, link)
    assert list(delivered(acme)) == ["p1@example.com"]
    assert reasons(acme, second) == {"unsubscribed": 1}


def test_an_unsubscribed_address_stays_so_under_another_name(acme):
    come_in(acme, identify("asha"))
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    link = delivered(acme)["asha@example.com"]["List-Unsubscribe"].strip("<>").rpartition("/u/")[2]
    actions.unsubscribe(acme, ASHA, queries.find_unsubscription(link))
    come_in(acme, {"type": "identify", "userId": "other", "traits": {"email": "ASHA@example.com"}})
    again = manual(acme)
    assert actions.send_message(acme, ASHA, again.id) == 2
    assert delivered(acme) == {}
    assert reasons(acme, again) == {"unsubscribed": 2}


def test_the_erased_and_the_unreachable_are_skipped_with_the_reason(acme):
    come_in(acme, identify("gone"), identify("mute", email="not an address"), identify("ben"))
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    vault_actions.shred_person(acme.customer_id, person_id(acme, "gone"))
    assert list(delivered(acme)) == ["ben@example.com"]
    assert reasons(acme, message) == {"erased": 1, "no_address": 1}
    assert states(acme, message) == {"sent": 1, "skipped": 2}


def test_whoever_was_merged_gets_one_copy_as_who_they_are_now(acme):
    come_in(acme, {"type": "identify", "anonymousId": "a-1", "traits": {"email": "asha@example.com"}})
    come_in(acme, identify("asha", name="Asha"))
    message = manual(acme)
    assert actions.send_message(acme, ASHA, message.id) == 2
    come_in(acme, {"type": "identify", "userId": "asha", "anonymousId": "a-1"})
    assert delivered(acme)["asha@example.com"]["Subject"] == "Hi Asha"
    assert (states(acme, message), reasons(acme, message)) == ({"sent": 1, "skipped": 1}, {"merged": 1})


def test_a_template_that_fails_for_one_fails_for_that_one(acme):
    come_in(acme, identify("asha", parts=0), identify("ben", parts=2))
    message = manual(acme, html="<p>{% if parts %}{{ 10 | divided_by: parts }}{% endif %}</p>")
    actions.send_message(acme, ASHA, message.id)
    assert list(delivered(acme)) == ["ben@example.com"]
    assert (states(acme, message), reasons(acme, message)) == ({"sent": 1, "failed": 1}, {"template": 1})


def test_a_refusal_is_final_and_its_words_rest_sealed(acme):
    crowd(acme, 3)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    inbox = Inbox(True, {"p1@example.com": "550 5.1.1 <p1@example.com> is unknown here"})
    with mail_server(inbox) as port:
        counts = send_due(acme, mailer(port))
    assert counts == {DeliveryState.SENT: 2, DeliveryState.FAILED: 1}
    (failed,) = queries.list_recipients(acme, message.id, state=DeliveryState.FAILED).deliveries
    assert (failed.code, failed.reason) == (550, "refused")
    assert queries.get_delivery(acme, failed.id).answer == "5.1.1 <p1@example.com> is unknown here"
    with acme.connection.cursor() as cursor:
        cursor.execute("SELECT d::text, m::text FROM messages_delivery d, messages_message m")
        for row in cursor.fetchall():
            assert not any(word in "".join(row) for word in ("p1@", b"p1@".hex(), "Dear", b"Dear".hex()))


def test_not_now_is_tried_again_later_and_not_for_ever(acme):
    crowd(acme, 1)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    attempts = 0
    with Scripted(lambda n: "4xx") as server:
        while (due := queries.next_due(acme)) is not None:
            with clock.held(due + timedelta(seconds=1)):
                send_due(acme, mailer(server.port))
            attempts += 1
            assert attempts < 20
    assert attempts == 10
    assert (states(acme, message), reasons(acme, message)) == ({"failed": 1}, {"deferred": 1})
    assert queries.get_message(acme, message.id).state is MessageState.SENT


def test_a_server_that_is_down_loses_nothing(acme):
    crowd(acme, 5)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    with Scripted(lambda n: "") as server:
        port = server.port
    assert send_due(acme, mailer(port)) == {}
    assert (states(acme, message), reasons(acme, message)) == ({"queued": 5}, {"unreachable": 5})
    with clock.held(queries.next_due(acme) + timedelta(seconds=1)):
        assert len(delivered(acme)) == 5


def test_no_answer_after_the_last_byte_is_unknown_and_never_sent_again(acme):
    crowd(acme, 6)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    with Scripted(lambda n: "drop-after-dot" if n == 2 else "") as server:
        send_due(acme, mailer(server.port, connections=1))
    assert (states(acme, message), reasons(acme, message)) == ({"sent": 5, "unknown": 1}, {"no_answer": 1})
    assert delivered(acme) == {}
    assert len(list_entries(acme, EntryFilter(tag=Tag.DELIVERY_DOUBT)).entries) == 1


def test_without_a_mail_server_messages_are_read_in_the_mailbox(acme):
    come_in(acme, identify("asha", name="Asha"), identify("gone"))
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    send_due(acme, mailer(1, channel=MailboxChannel))
    assert states(acme, message) == {"sent": 2}
    vault_actions.shred_person(acme.customer_id, person_id(acme, "gone"))
    (mail,) = queries.list_mail(acme).mails
    assert (mail.subject, mail.to, mail.sender) == ("Hi Asha", "asha@example.com", "Acme <hello@acme.example.com>")
    whole = queries.get_mail(acme, mail.id)
    assert "Dear Asha" in whole.html and "Dear Asha" in whole.text and "List-Unsubscribe" in whole.source
    assert queries.find_unsubscription(whole.unsubscribe_url.rpartition("/u/")[2]).delivery_id == mail.id
    with acme.connection.cursor() as cursor:
        cursor.execute("SELECT m::text FROM messages_mail m")
        assert not any(b"Asha".hex() in row or "Asha" in row for (row,) in cursor.fetchall())


def test_a_report_has_every_recipient_on_some_page(acme):
    crowd(acme, 7)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    seen, after = [], None
    while True:
        page = queries.list_recipients(acme, message.id, after=after, limit=3)
        seen += [delivery.person_id for delivery in page.deliveries]
        if (after := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert queries.report(acme, message.id).total == 7


def test_a_preview_shows_what_one_person_would_get(acme):
    come_in(acme, identify("asha", name="Asha"))
    content = Content("Hi {{ name | default: 'you' }}", "<p>{{ name }}</p>")
    assert queries.preview(acme, content, person_id(acme, "asha")).subject == "Hi Asha"
    assert queries.preview(acme, content).subject == "Hi you"
    with pytest.raises(NotFound):
        queries.preview(acme, content, uuid4())


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        (Kind.MANUAL, {"name": " "}, "name"),
        (Kind.MANUAL, {"subject": ""}, "subject"),
        (Kind.MANUAL, {"html": "{{ x"}, "html"),
        (Kind.MANUAL, {"subject": "{% if %}"}, "subject"),
        (Kind.MANUAL, {"sender": "nobody"}, "sender"),
        (Kind.MANUAL, {"segment_id": None}, "segment_id"),
        (Kind.MANUAL, {"segment_id": uuid4()}, "segment_id"),
        (Kind.MANUAL, {"trigger_event": "Order"}, "trigger_event"),
        (Kind.AUTO, {"trigger_event": " "}, "trigger_event"),
        (Kind.AUTO, {"trigger_event": "Order", "delay_seconds": -1}, "delay_seconds"),
        (Kind.AUTO, {"trigger_event": "Order", "delay_seconds": 10**9}, "delay_seconds"),
    ],
)
def test_nothing_is_saved_that_could_not_be_sent(acme, kind, changes, field):
    valid = {"name": "News", "subject": "s", "html": "<p>x</p>"}
    if kind is Kind.MANUAL:
        from misentinel.segments.queries import EVERYONE_ID

        valid["segment_id"] = EVERYONE_ID
    with pytest.raises(Invalid) as raised:
        actions.create_message(acme, ASHA, kind, Draft(**{**valid, **changes}))
    assert raised.value.details["field"] == field
    assert queries.list_messages(acme) == []


def test_each_act_on_a_message_is_on_the_trail(acme):
    message = auto(acme)
    actions.pause_message(acme, ASHA, message.id)
    draft = queries.get_message(acme, message.id).draft
    actions.edit_message(acme, ASHA, message.id, draft)
    actions.delete_message(acme, ASHA, message.id)
    with pytest.raises(NotFound):
        queries.get_message(acme, message.id)
    tags = [entry.tag for entry in list_entries(acme, EntryFilter(object_id=str(message.id))).entries]
    assert tags == ["message:delete", "message:edit", "message:pause", "message:go_live", "message:create"]


def test_a_message_with_recipients_is_not_deleted(acme):
    crowd(acme, 1)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    with pytest.raises(Conflict):
        actions.delete_message(acme, ASHA, message.id)


def test_a_neighbours_messages_are_not_there(acme, bolt):
    message = manual(acme)
    for act in (
        lambda: queries.get_message(bolt, message.id),
        lambda: actions.send_message(bolt, ASHA, message.id),
        lambda: actions.set_live(bolt, ASHA, message.id),
    ):
        with pytest.raises(NotFound):
            act()
    assert people.count_people(bolt) == 0
