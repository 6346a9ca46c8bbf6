"""What leaves the UK holds nothing that leads to a person, whatever the entry, whatever the format."""

from __future__ import annotations

import base64
import dataclasses
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.ids import new_id
from misentinel.trail.contracts import Tag
from misentinel.trail.models import Entry
from misentinel.trail.ocsf import CLASSES, class_of
from misentinel.trail.shipping import formats
from misentinel.trail.shipping.contracts import Destination, Item, SinkKind
from misentinel.trail.shipping.personal import Anonymous, without_personal
from misentinel.trail.shipping.reading import item_of
from misentinel.trail.shipping.running import ship
from misentinel.trail.shipping.tests.ground import connect, sealed
from misentinel.trail.shipping.tests.receivers import frames, streams

PERSON = UUID("11111111-2222-4333-8444-555555555555")
SEALED = b"SEALED-VALUE"
MARKS = {
    "actor_id": "mark-actor", "credential": "mark-credential", "address": "203.0.113.77", "object_id": "mark-object",
    "request_id": "mark-request", "person_id": PERSON, "before": SEALED, "after": SEALED + b"2",
    "details": {
        "session": "mark-session", "list": ["mark-list"], "nested": {"deep": "mark-nested"}, "reason": "mark-reason",
        "access": "mark-access", "count": 7, "second": True, "error": "erased", "route": "GET /v1/people/<person>",
        "permissions": ["mark-permission"],
    },
}  # fmt: skip
LEADING = [
    "mark-", "203.0.113.77", str(PERSON), base64.b64encode(SEALED).decode().rstrip("="), SEALED.decode(),
]  # fmt: skip


def entry(tag: Tag, **changed) -> SimpleNamespace:
    plain = {
        "id": UUID(int=7), "at": datetime(2026, 3, 1, tzinfo=UTC), "customer_id": UUID(int=8), "tag": tag.value,
        "outcome": "done", "actor_kind": "teammate", "object_kind": "person",
    }  # fmt: skip
    return SimpleNamespace(**plain | MARKS | changed)


def sent(item: Item) -> list[str]:
    """The item as each format sends it."""
    destination = Destination(new_id(), SinkKind.SYSLOG, "", "token", None, "host", "log")
    return [
        data.decode()
        for data in (
            formats.syslog_frame(destination, item), formats.token_line(destination, item),
            formats.otlp_request(destination, [item]), formats.ndjson_body([item]),
        )
    ]  # fmt: skip


@pytest.mark.parametrize("tag", Tag)
def test_nothing_that_leads_to_a_person_leaves(tag) -> None:
    for kind in ActorKind if tag is Tag.PERSON_VIEW else (ActorKind.TEAMMATE, ActorKind.PERSON):
        for data in sent(item_of(entry(tag, actor_kind=kind.value), 41, personal=False)):
            assert [mark for mark in LEADING if mark in data] == []


def test_the_marks_would_be_found_if_they_were_there() -> None:
    """Shows that the test above can fail: a sink in the UK gets every one of them."""
    for event_class in CLASSES:
        tag = next(tag for tag in Tag if class_of(tag) is event_class)
        for data in sent(item_of(entry(tag), 41, personal=True)):
            found = [mark for mark in LEADING if mark in data]
            assert {"mark-", str(PERSON), LEADING[3]} <= set(found), (event_class.name, found)


def test_what_is_left_tells_what_happened() -> None:
    item = item_of(entry(Tag.PERSON_VIEW), 41, personal=False)
    for told in ('"log_index":41', str(UUID(int=7)), str(UUID(int=8)), "person:view", '"count":7', "withheld"):
        assert told in item.body


def test_a_field_that_is_added_later_stays_at_home_until_somebody_decides() -> None:
    """Every column of an entry is either kept here by name or emptied."""
    kept = {"id", "at", "customer_id", "tag", "outcome", "actor_kind", "object_kind", "details"}
    columns = {field.attname for field in Entry._meta.concrete_fields}
    assert {field.name for field in dataclasses.fields(Anonymous)} == columns
    bare = without_personal(entry(Tag.PERSON_VIEW))
    assert all(getattr(bare, name) in ("", None) for name in columns - kept)


@pytest.mark.parametrize("location", ["US", "IE", "JE", "ZZ", "GB"])
def test_only_a_sink_in_the_uk_gets_who(log, certificate, location) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port, location=location)
        assert ship(sink).entries == len(sealed(log))
    actors = [b'"uid":"test"' in message for message in frames(receiver.data)]
    assert len(actors) == len(sealed(log)) and any(actors) is (location == "GB")
