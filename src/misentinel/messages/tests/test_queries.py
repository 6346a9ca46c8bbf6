"""What is told of a message is that message's: no other message's, kind's, person's, state's."""

from __future__ import annotations

from uuid import uuid4

import pytest

from misentinel.kernel.errors import Conflict, NotFound
from misentinel.messages import actions, queries
from misentinel.messages.channels.mailbox import MailboxChannel
from misentinel.messages.contracts import DeliveryState, Kind
from misentinel.messages.jobs import send_due
from misentinel.messages.models import DeliveryRow
from misentinel.messages.queries import deliveries
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
    track,
)
from misentinel.segments import actions as segments


def paying(store):
    return segments.create_segment(store, ASHA, "Paying", {"attribute": "plan", "test": "is", "value": "pro"})


@pytest.fixture
def sent(acme):
    """Two messages that went out: to Asha and Ben, and to Asha alone."""
    come_in(acme, identify("asha", plan="pro"), identify("ben", plan="free"))
    both, one = manual(acme), manual(acme, segment_id=paying(acme).id)
    for message in (both, one):
        actions.send_message(acme, ASHA, message.id)
    send_due(acme, mailer(0, channel=MailboxChannel))
    return both, one


def test_a_report_counts_its_own_messages_deliveries(acme, sent):
    both, one = sent
    assert [queries.report(acme, message.id).total for message in (both, one)] == [2, 1]
    ids = [{d.id for d in queries.list_recipients(acme, message.id).deliveries} for message in (both, one)]
    assert [len(found) for found in ids] == [2, 1] and not ids[0] & ids[1]
    assert queries.list_recipients(acme, both.id, state=DeliveryState.QUEUED).deliveries == []
    page = queries.list_recipients(acme, both.id, limit=1)
    after = queries.list_recipients(acme, both.id, after=page.next)
    assert {page.deliveries[0].id, after.deliveries[0].id} == ids[0] and after.next is None


def test_a_delivery_is_the_one_that_was_asked_for(acme, sent):
    for message in sent:
        for delivery in queries.list_recipients(acme, message.id).deliveries:
            found = queries.get_delivery(acme, delivery.id)
            assert (found.id, found.person_id) == (delivery.id, delivery.person_id)
    with pytest.raises(NotFound):
        queries.get_delivery(acme, uuid4())


def test_the_latest_deliveries_are_everybodys_or_one_persons(acme, sent):
    asha, ben = person_id(acme, "asha"), person_id(acme, "ben")
    assert [d.person_id for d in deliveries.list_latest(acme, person_id=ben)] == [ben]
    assert [d.person_id for d in deliveries.list_latest(acme, person_id=asha)] == [asha, asha]
    assert len(deliveries.list_latest(acme)) == 3


def test_what_was_sent_is_counted_and_nothing_else(acme, sent):
    assert deliveries.count_sent(acme) == 3
    one = DeliveryRow.objects.using(acme.alias).order_by("id").first()
    DeliveryRow.objects.using(acme.alias).filter(id=one.id).update(state=DeliveryState.FAILED.value)
    assert deliveries.count_sent(acme) == 2


def test_one_persons_unsubscription_is_not_anothers(acme, sent):
    asha, ben = person_id(acme, "asha"), person_id(acme, "ben")
    links = {
        delivery.person_id: queries.unsubscribe_urls("", acme.customer_id)(delivery.id).removeprefix("/u/")
        for delivery in queries.list_recipients(acme, sent[0].id).deliveries
    }
    actions.unsubscribe(acme, ASHA, queries.find_unsubscription(links[asha]))
    assert deliveries.is_unsubscribed(acme, asha) and not deliveries.is_unsubscribed(acme, ben)
    found = [queries.find_unsubscription(links[person]) for person in (asha, ben)]
    assert [(link.person_id, link.done) for link in found] == [(asha, True), (ben, False)]


def test_the_mailbox_pages_from_the_latest_on(acme, sent):
    whole = queries.list_mail(acme).mails
    assert len(whole) == 3 and [mail.at for mail in whole] == sorted((mail.at for mail in whole), reverse=True)
    walked, after = [], None
    for _ in range(5):
        page = queries.list_mail(acme, after=after, limit=1)
        walked += page.mails
        after = page.next
        if after is None:
            break
    assert [mail.id for mail in walked] == [mail.id for mail in whole]
    assert queries.list_mail(acme, after=uuid4()).mails == []


def test_messages_are_listed_by_their_kind(acme):
    one, other = manual(acme), auto(acme)
    assert [message.id for message in queries.list_messages(acme, Kind.MANUAL)] == [one.id]
    assert [message.id for message in queries.list_messages(acme, Kind.AUTO)] == [other.id]
    assert [message.id for message in queries.list_messages(acme)] == [other.id, one.id]


def test_a_draft_can_go_while_another_message_has_recipients(acme, sent):
    draft = manual(acme)
    actions.delete_message(acme, ASHA, draft.id)
    with pytest.raises(NotFound):
        queries.get_message(acme, draft.id)
    with pytest.raises(Conflict, match="its report is kept"):
        actions.delete_message(acme, ASHA, sent[0].id)


def test_an_event_sets_off_the_live_messages_that_wait_for_it_and_no_others(acme):
    crowd(acme, 1)
    waiting, other, paused = auto(acme), auto(acme, trigger_event="Refund"), auto(acme)
    actions.pause_message(acme, ASHA, paused.id)
    by_hand = manual(acme)
    come_in(acme, track("p0", "Order", item="Otter"))
    drain(acme)
    counted = [queries.report(acme, message.id).total for message in (waiting, other, paused, by_hand)]
    assert counted == [1, 0, 0, 0]
