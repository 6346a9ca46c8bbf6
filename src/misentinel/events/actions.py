"""Storing what came in: people, events, trail entry and outbox row commit together or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from misentinel.events.contracts import Batch, Item, ItemType, Reason, Status, Verdict
from misentinel.kernel.actor import Actor
from misentinel.kernel.ids import new_id
from misentinel.people import actions as people
from misentinel.people.contracts import PersonRef, StartAgain
from misentinel.people.rules import Memo, match_of
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.store.statements import (
    bits,
    byteas,
    jsons,
    moments,
    one_round_trip,
    run,
    run_together,
    start,
    texts,
    uuids,
)
from misentinel.trail import actions as trail
from misentinel.trail.contracts import Outcome, Tag
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Place, Tokens

SEALED_IN = ("events_event", "sealed")
MESSAGE_FIELD = "message_id"
_MOST_NAMES = 100
_AT_ONCE = 500
_Row = tuple[bytes, UUID, ItemType, str, UUID, datetime, bytes, bytes]


def ingest(store: Store, actor: Actor, batch: Batch) -> list[Verdict]:
    """Stores each item once and returns a verdict for every item, in the order of the request.

    An item that was stored before changes nothing, not even its person. Once this returns, what is accepted is durable.
    """
    tokens = vault.tokens(store.customer_id)
    messages = [tokens.bits(MESSAGE_FIELD, item.message_id) for item in batch.items]

    def work(exclusive: bool) -> tuple[set[bytes], set[bytes]]:
        with store.atomic():
            fresh = _fresh(store, messages, batch.items)
            rows, erased = _rows(store, actor, tokens, fresh, exclusive) if fresh else ([], set())
            _write(store, actor, rows, batch)
        return {row[0] for row in rows}, erased

    return _verdicts(batch, messages, *people.until_settled(work))


def _fresh(store: Store, messages: Sequence[bytes], items: Sequence[Item]) -> dict[bytes, Item]:
    """Returns the items whose messages are not stored yet, each message once."""
    if not messages:
        return {}
    query = "SELECT uuid_send(message_token) FROM events_event WHERE message_token = ANY(%b)"
    stored = {row[0] for row in run_together(store, (query, [bits(messages)]))[0]}
    fresh: dict[bytes, Item] = {}
    for message, item in zip(messages, items, strict=True):
        if message not in stored:
            fresh.setdefault(message, item)
    return fresh


def _verdicts(batch: Batch, messages: Sequence[bytes], accepted: set[bytes], erased: set[bytes]) -> list[Verdict]:
    verdicts = list(batch.refused)
    for message, item in zip(messages, batch.items, strict=True):
        if message in accepted:
            accepted.discard(message)  # whatever comes with it again in this request is a duplicate
            verdicts.append(Verdict(item.position, Status.ACCEPTED))
        elif message in erased:
            verdicts.append(Verdict(item.position, Status.REFUSED, Reason.ERASED, "This person was erased."))
        else:
            verdicts.append(Verdict(item.position, Status.DUPLICATE))
    if batch.refused:
        verdicts.sort(key=lambda verdict: verdict.position)
    return verdicts


def _rows(
    store: Store, actor: Actor, tokens: Tokens, fresh: Mapping[bytes, Item], exclusive: bool
) -> tuple[list[_Row], set[bytes]]:
    """Recognises the people and returns the rows to insert, sealed, and the messages of those who were erased."""
    refs = [PersonRef(i.user_id, i.anonymous_id, i.previous_id, i.traits, i.at) for i in fresh.values()]
    recognised = people.recognise(store, actor, refs, exclusive=exclusive)
    for absorbed, survivor in recognised.merged.items():
        _move(store, absorbed, survivor)
    rows: list[_Row] = []
    erased: set[bytes] = set()
    memo: Memo = {}
    for (message, item), person_id in zip(fresh.items(), recognised.ids, strict=True):
        if person_id is None:
            erased.add(message)
            continue
        event_id = new_id()
        sealed = recognised.keys[person_id].seal(Place(*SEALED_IN, event_id), item.document)
        match = orjson.dumps(match_of(item.properties, tokens, memo=memo)) if item.properties else b"{}"
        rows.append((message, event_id, item.type, item.name, person_id, item.at, sealed, match))
    rows.sort()  # by message: two equal batches wait for each other and never in a circle
    return rows, erased


def _write(store: Store, actor: Actor, rows: list[_Row], batch: Batch) -> None:
    """Inserts the events with their entry and their outbox row, in one round trip.

    Raises `StartAgain` if another request stored one of the messages since `_fresh` looked.
    """
    with one_round_trip(store):
        inserted = _start_insert(store, rows, batch) if rows else None
        if rows:
            _announce(store, rows)
        _record(store, actor, batch, len(rows))
    if inserted is not None and inserted.rowcount != len(rows):
        raise StartAgain


def _start_insert(store: Store, rows: list[_Row], batch: Batch) -> Any:
    messages, ids, types, names, persons, at, sealed, match = zip(*rows, strict=True)
    return start(
        store,
        0,
        "INSERT INTO events_event (id, message_token, type, name, person_id, at, received_at, sealed, match)"
        " SELECT id, message_token, type, name, person_id, at, %b, sealed, match"
        " FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b)"
        " AS new (id, message_token, type, name, person_id, at, sealed, match)"
        " ON CONFLICT (message_token) DO NOTHING",
        [
            batch.received_at, uuids(ids), bits(messages), texts(types), texts(names), uuids(persons), moments(at),
            byteas(sealed), jsons(match),
        ],
    )  # fmt: skip


def _announce(store: Store, rows: list[_Row]) -> None:
    """Whoever reacts reads the events by the range of their ids; names tell who need not look at all."""
    ids = [row[1] for row in rows]
    names = sorted({row[3] for row in rows if row[3]})
    payload = {
        "first": str(min(ids)),
        "last": str(max(ids)),
        "names": names if len(names) <= _MOST_NAMES else None,
        "types": sorted({row[2].value for row in rows}),
    }
    outbox.put(store, Topic.EVENTS_RECEIVED, payload)


def _record(store: Store, actor: Actor, batch: Batch, accepted: int) -> None:
    refused = Counter(verdict.code.value for verdict in batch.refused if verdict.code)
    total = len(batch.items) + len(batch.refused)
    trail.record(
        store, actor, Tag.EVENT_RECEIVE, object_kind="event",
        details={"received": total, "accepted": accepted, "refused": dict(refused)},
    )  # fmt: skip
    cards = Counter(verdict.path for verdict in batch.refused if verdict.code is Reason.CARD_NUMBER)
    if cards:
        trail.record(
            store, actor, Tag.CARD_REFUSE, object_kind="event", outcome=Outcome.REFUSED,
            details={"count": cards.total(), "paths": dict(cards.most_common(20))},
        )  # fmt: skip


def _move(store: Store, absorbed: UUID, survivor: UUID) -> None:
    """Seals the absorbed person's events anew under the survivor's key, a few hundred at a time."""
    keys = vault.person_keys(store.customer_id, [absorbed, survivor])
    if absorbed not in keys or survivor not in keys:
        return
    query = "SELECT id, sealed FROM events_event WHERE person_id = %b LIMIT %b"
    while rows := run(store, query, [absorbed, _AT_ONCE]):
        anew = []
        for event_id, sealed in rows:
            place = Place(*SEALED_IN, event_id)
            anew.append(keys[survivor].seal(place, keys[absorbed].open(place, sealed)))
        run(
            store,
            "UPDATE events_event AS event SET person_id = %b, sealed = new.sealed"
            " FROM unnest(%b, %b) AS new (id, sealed) WHERE event.id = new.id",
            [survivor, uuids([row[0] for row in rows]), byteas(anew)],
        )
