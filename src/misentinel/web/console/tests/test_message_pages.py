"""Messages are written, previewed as a person, confirmed and reported; each step asks for its own permission."""

import re

import pytest

from misentinel.messages.actions import create_message
from misentinel.messages.contracts import Draft, Kind, MessageState
from misentinel.messages.queries.messages import get_message, list_messages
from misentinel.messages.tests.people import ASHA
from misentinel.people.queries import find_by_user_id
from misentinel.segments.queries import EVERYONE_ID
from misentinel.site.wiring import HANDLERS
from misentinel.store import outbox
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web.console.policy import PREVIEW_POLICY
from misentinel.web.console.tests.test_people_pages import identify, tell
from tests.cast import hire, signed_in, start_session

MANUAL = {
    "name": "Thanks", "segment_id": str(EVERYONE_ID), "subject": "Thank you", "html": "", "sender": "",
    "text": 'Hello {{ firstName | default: "there" }}',
}  # fmt: skip
AUTO = {**MANUAL, "name": "Welcome", "trigger_event": "Signed Up", "delay": "2", "unit": "3600", "segment_id": ""}


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha Rao"))


def written(store, client, kind=Kind.MANUAL):
    answer = client.post(f"/messages/{kind}/new", AUTO if kind is Kind.AUTO else MANUAL)
    assert answer.status_code == 302, answer.content
    return list_messages(store, kind)[0]


def test_an_author_writes_and_changes_both_kinds(asha, acme):
    manual, auto = written(acme, asha), written(acme, asha, Kind.AUTO)
    assert manual.draft.segment_id == EVERYONE_ID
    assert (auto.draft.trigger_event, auto.draft.delay_seconds) == ("Signed Up", 7200)
    page = asha.get(f"/messages/auto/{auto.id}/edit").content.decode()
    assert 'value="Signed Up"' in page and 'value="2"' in page
    asha.post(f"/messages/manual/{manual.id}/edit", {**MANUAL, "subject": "Thanks again"})
    assert get_message(acme, manual.id).draft.subject == "Thanks again"


@pytest.mark.parametrize("seconds", [1, 59, 90, 60, 5400, 86_400, 90 * 86_400])
def test_no_delay_changes_by_opening_and_saving_the_message(asha, acme, seconds):
    message = create_message(
        acme, ASHA, Kind.AUTO, Draft("Welcome", "Hi", "", "Hello", trigger_event="Signed Up", delay_seconds=seconds)
    )
    page = asha.get(f"/messages/auto/{message.id}/edit").content.decode()
    delay = re.search(r'name="delay" value="(\d+)"', page)[1]
    unit = re.search(r'<option value="(\d+)" selected>(?:seconds|minutes|hours|days)', page)[1]
    assert asha.post(f"/messages/auto/{message.id}/edit", {**AUTO, "delay": delay, "unit": unit}).status_code == 302
    assert get_message(acme, message.id).draft.delay_seconds == seconds


def test_a_delay_that_is_too_long_is_told_at_the_delay(asha):
    page = asha.post("/messages/auto/new", {**AUTO, "delay": "91", "unit": "86400"})
    assert page.status_code == 422 and b'id="message-delay-error"' in page.content


def test_the_report_says_how_many_were_left_out_and_why(asha, acme):
    tell(acme, identify("u-1", email="ada@example.com"))
    message = written(acme, asha, Kind.AUTO)
    asha.post(f"/messages/{message.id}/live")
    tell(acme, {"type": "track", "userId": "u-1", "event": "Signed Up"})
    outbox.drain(acme, HANDLERS)
    assert b"The 1 delivery that waits is left out for good." in asha.get(f"/messages/{message.id}").content
    asha.post(f"/messages/{message.id}/pause")
    page = asha.get(f"/messages/{message.id}").content.decode()
    assert "1 waiting when it was paused" in page and "queued" not in page


def test_a_mistake_in_a_template_is_told_at_its_field_with_its_line(asha, acme):
    page = asha.post("/messages/manual/new", {**MANUAL, "text": "Hello\n{% if plan %}"})
    assert page.status_code == 422
    told = page.content.decode()
    assert 'id="message-text-error"' in told and "line 2" in told.lower()
    assert list_messages(acme) == []


def test_a_preview_shows_the_message_as_the_person_would_get_it_in_a_sandbox(asha, acme):
    tell(acme, identify("u-1", firstName="Ada"))
    person_id = find_by_user_id(acme, "u-1")
    page = asha.post("/messages/manual/preview", {**MANUAL, "preview_as": str(person_id)})
    assert b"Hello Ada" in page.content and b"Subject: Thank you" in page.content
    assert page["Content-Security-Policy"] == PREVIEW_POLICY
    assert list_entries(acme, EntryFilter(tag=Tag.MESSAGE_PREVIEW, person_id=person_id)).entries


def test_without_user_data_nobody_is_previewed(acme):
    tell(acme, identify("u-1", firstName="Ada"))
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", {Permission.MANUAL_MESSAGES_EDIT}))
    page = ben.post("/messages/manual/preview", {**MANUAL, "preview_as": str(find_by_user_id(acme, "u-1"))})
    assert page.status_code == 403 and b"Ada" not in page.content
    assert b"Hello there" in ben.post("/messages/manual/preview", MANUAL).content
    assert b"Ada" not in ben.get("/messages/manual/new").content


def test_sending_asks_with_the_number_of_people_and_happens_once(asha, acme):
    tell(acme, identify("u-1", email="ada@example.com"), identify("u-2", email="grace@example.com"))
    message = written(acme, asha)
    assert b"Send to 2 people" in asha.get(f"/messages/{message.id}/send").content
    asha.post(f"/messages/{message.id}/send", {"expected": "2"})
    assert get_message(acme, message.id).state is MessageState.SENDING
    assert asha.post(f"/messages/{message.id}/send", {"expected": "2"}).status_code == 409
    assert (
        b"u-1" in asha.get(f"/messages/{message.id}").content or b"ada@" in asha.get(f"/messages/{message.id}").content
    )


def test_an_audience_that_has_grown_is_confirmed_anew(asha, acme):
    tell(acme, *(identify(f"u-{n}", email=f"p{n}@example.com") for n in range(12)))
    message = written(acme, asha)
    asha.post(f"/messages/{message.id}/send", {"expected": "2"})
    assert get_message(acme, message.id).state is MessageState.DRAFT


def test_an_auto_message_is_set_live_and_paused(asha, acme):
    message = written(acme, asha, Kind.AUTO)
    asha.post(f"/messages/{message.id}/live")
    assert get_message(acme, message.id).state is MessageState.LIVE
    asha.post(f"/messages/{message.id}/pause")
    assert get_message(acme, message.id).state is MessageState.PAUSED


@pytest.mark.parametrize(
    "missing", ["MANUAL_MESSAGES_EDIT", "MANUAL_MESSAGES_SEND", "AUTO_MESSAGES_EDIT", "AUTO_MESSAGES_SEND"]
)
def test_each_step_needs_its_own_permission(acme, asha, missing):
    manual, auto = written(acme, asha), written(acme, asha, Kind.AUTO)
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission[missing]}))
    answers = {
        "MANUAL_MESSAGES_EDIT": ben.post(f"/messages/manual/{manual.id}/edit", {**MANUAL, "name": "Ben's"}),
        "AUTO_MESSAGES_EDIT": ben.post(f"/messages/auto/{auto.id}/edit", {**AUTO, "name": "Ben's"}),
        "MANUAL_MESSAGES_SEND": ben.post(f"/messages/{manual.id}/send", {"expected": "0"}),
        "AUTO_MESSAGES_SEND": ben.post(f"/messages/{auto.id}/live"),
    }
    assert {name for name, answer in answers.items() if answer.status_code == 403} == {missing}


def test_who_may_not_set_live_changes_nothing_that_is_live(acme, asha):
    auto = written(acme, asha, Kind.AUTO)
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission.AUTO_MESSAGES_SEND}))
    edit = f"/messages/auto/{auto.id}/edit"
    assert ben.post(edit, {**AUTO, "subject": "A draft"}).status_code == 302
    asha.post(f"/messages/{auto.id}/live")
    assert ben.get(edit).status_code == ben.post(edit, {**AUTO, "subject": "Mine"}).status_code == 403
    assert edit.encode() not in ben.get(f"/messages/{auto.id}").content
    assert get_message(acme, auto.id).draft.subject == "A draft"
    assert list_entries(acme, EntryFilter(tag=Tag.ACCESS_REFUSE, object_id=str(auto.id))).entries
    assert asha.post(edit, {**AUTO, "subject": "Hers"}).status_code == 302
    asha.post(f"/messages/{auto.id}/pause")
    assert ben.post(edit, {**AUTO, "subject": "Paused"}).status_code == 302


def test_nothing_that_many_feel_happens_at_one_click(acme):
    """Each of these forms is in a dialog that a button opens first."""
    hers, ben = hire(acme.customer_id, "Asha Rao"), hire(acme.customer_id, "Ben Okoro")
    asha = signed_in(hers)
    start_session(hers)
    start_session(ben)
    auto = written(acme, asha, Kind.AUTO)
    asha.post("/settings/keys", {"name": "Shop", "kind": "write_key"})
    acts = [
        (f"/teammates/{ben.id}", "suspend"), (f"/teammates/{ben.id}", "end-sessions"), ("/settings/keys", "revoke"),
        ("/account/sessions", "end-others"), (f"/messages/{auto.id}", "live"), (f"/messages/{auto.id}", "pause"),
    ]  # fmt: skip
    for path, act in acts:
        page = asha.get(path).content.decode()
        assert re.search(rf'<dialog class="confirm[^>]*>\s*<form method="post" action="[^"]*/{act}"', page), act
        assert page.count(f'/{act}"') == 1, act
        if act == "live":
            asha.post(f"{path}/live")


def test_the_permission_for_one_kind_opens_nothing_of_the_other(acme, asha):
    auto = written(acme, asha, Kind.AUTO)
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", {Permission.MANUAL_MESSAGES_EDIT}))
    assert ben.post(f"/messages/manual/{auto.id}/edit", {**MANUAL, "name": "Ben's"}).status_code == 404
    assert ben.post(f"/messages/manual/{auto.id}/delete").status_code == 404
    assert get_message(acme, auto.id).draft.name == "Welcome"


def test_recipients_are_hidden_from_who_may_not_see_people(acme, asha):
    tell(acme, identify("u-1", name="Ada Byron", email="ada@example.com"))
    message = written(acme, asha)
    asha.post(f"/messages/{message.id}/send", {"expected": "1"})
    assert b"Ada Byron" in asha.get(f"/messages/{message.id}").content
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission.USER_DATA}))
    page = ben.get(f"/messages/{message.id}")
    assert page.status_code == 200 and b"Ada Byron" not in page.content


def test_a_message_of_another_customer_answers_as_one_that_does_not_exist(asha, bolt):
    mallory = signed_in(hire(bolt.customer_id, "Mallory Vane"))
    theirs = written(bolt, mallory)
    for path in (f"/messages/{theirs.id}", f"/messages/{theirs.id}/body", f"/messages/manual/{theirs.id}/edit"):
        assert asha.get(path).status_code == 404, path
    assert asha.post(f"/messages/{theirs.id}/send", {"expected": "9"}).status_code == 404


def test_an_unused_message_can_be_deleted(asha, acme):
    message = written(acme, asha)
    asha.post(f"/messages/manual/{message.id}/delete")
    assert list_messages(acme) == []
    assert isinstance(message.draft, Draft)
