"""Storing what came in: people, events, trail entry and outbox row commit together or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
import psycopg

from misentinel.events.contracts import Batch, Item, Reason, Status, Verdict
from misentinel.kernel.actor import Actor
from misentinel.kernel.ids import new_id
from misentinel.people import actions as people
from misentinel.people.contracts import PersonRef
from misentinel.people.rules import match_of, token_bits
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.trail import actions as trail
from misentinel.trail.contracts import Outcome, Tag
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Place, Tokens

SEALED_IN = ("events_event", "sealed")
MESSAGE_FIELD = "message_id"
_MOST_NAMES = 100
_REFOLD = 500


def ingest(store: Store, actor: Actor, batch: Batch) -> list[Verdict]:
    """Stores each item once and returns a verdict for every item, in the order of the request.

    An item that was stored before changes nothing, not even its person. Once this returns, what is accepted is durable.
    """
    tokens = vault.tokens(store.customer_id)
    messages = [token_bits(tokens.value(MESSAGE_FIELD, item.message_id)) for item in batch.items]
    with store.atomic():
        stored = _stored_before(store, messages)
        fresh: dict[UUID, Item] = {}
        for message, item in zip(messages, batch.items, strict=True):
            if message not in stored:
                fresh.setdefault(message, item)
        accepted, erased = _store(store, actor, tokens, fresh, batch) if fresh else (set(), set())
        _record(store, actor, batch, len(accepted))
    verdicts = list(batch.refused)
    told: set[UUID] = set()
    for message, item in zip(messages, batch.items, strict=True):
        if message in erased:
            verdicts.append(Verdict(item.index, Status.REFUSED, Reason.ERASED, "This person was erased."))
        elif message in accepted and message not in told:
            told.add(message)
            verdicts.append(Verdict(item.index, Status.ACCEPTED))
        else:
            verdicts.append(Verdict(item.index, Status.DUPLICATE))
    verdicts.sort(key=lambda verdict: verdict.index)
    return verdicts


def _stored_before(store: Store, messages: Sequence[UUID]) -> set[UUID]:
    if not messages:
        return set()
    rows = _run(store, "SELECT message_token FROM events_event WHERE message_token = ANY(%b)", [list(messages)])
    return {row[0] for row in rows}


def _store(
    store: Store, actor: Actor, tokens: Tokens, fresh: Mapping[UUID, Item], batch: Batch
) -> tuple[set[UUID], set[UUID]]:
    """Returns the messages that were stored, and those whose person was erased."""
    recognised = people.recognise(store, actor, [_ref(item) for item in fresh.values()])
    for absorbed, survivor in recognised.merged.items():
        _move(store, absorbed, survivor)
    keys = vault.person_keys(store.customer_id, {each for each in recognised.ids if each is not None})
    rows, erased = [], set()
    for (message, item), person_id in zip(fresh.items(), recognised.ids, strict=True):
        if person_id is None:
            erased.add(message)
            continue
        event_id = new_id()
        sealed = keys[person_id].seal(Place(*SEALED_IN, event_id), item.document)
        match = orjson.dumps(match_of(item.properties, tokens)).decode() if item.properties else "{}"
        rows.append((event_id, message, item.type.value, item.name, person_id, item.at, sealed, match))
    accepted = _insert(store, rows, batch) if rows else set()
    if accepted:
        _announce(store, [row for row in rows if row[1] in accepted])
    return accepted, erased


def _ref(item: Item) -> PersonRef:
    return PersonRef(item.user_id, item.anonymous_id, item.previous_id, item.traits, item.at)


def _insert(store: Store, rows: list[tuple[Any, ...]], batch: Batch) -> set[UUID]:
    """Inserts in the order of the messages' tokens: two equal batches wait for each other and never in a circle."""
    columns = zip(*sorted(rows, key=lambda row: row[1]), strict=True)
    inserted = _run(
        store,
        "INSERT INTO events_event (id, message_token, type, name, person_id, at, received_at, sealed, match)"
        " SELECT id, message_token, type, name, person_id, at, %b, sealed, match::jsonb"
        " FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[], %b::bytea[],"
        " %b::text[]) AS new (id, message_token, type, name, person_id, at, sealed, match)"
        " ON CONFLICT (message_token) DO NOTHING RETURNING message_token",
        [batch.received_at, *(list(column) for column in columns)],
    )
    return {row[0] for row in inserted}


def _announce(store: Store, rows: list[tuple[Any, ...]]) -> None:
    """Whoever reacts reads the events by the range of their ids; names tell who need not look at all."""
    ids = [row[0] for row in rows]
    names = sorted({row[3] for row in rows if row[3]})
    payload = {
        "first": str(min(ids)),
        "last": str(max(ids)),
        "names": names if len(names) <= _MOST_NAMES else None,
        "types": sorted({row[2] for row in rows}),
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
    while rows := _run(store, "SELECT id, sealed FROM events_event WHERE person_id = %b LIMIT %b", [absorbed, _REFOLD]):
        sealed = []
        for event_id, old in rows:
            place = Place(*SEALED_IN, event_id)
            sealed.append(keys[survivor].seal(place, keys[absorbed].open(place, old)))
        _run(
            store,
            "UPDATE events_event AS event SET person_id = %b, sealed = new.sealed"
            " FROM unnest(%b::uuid[], %b::bytea[]) AS new (id, sealed) WHERE event.id = new.id",
            [survivor, [row[0] for row in rows], sealed],
        )


def _run(store: Store, query: str, parameters: Sequence[Any]) -> list[Any]:
    """Runs one statement in the open transaction, parameters bound by the server and in binary."""
    with psycopg.Cursor(store.connection.connection) as cursor:
        cursor.execute(query.encode(), parameters, prepare=True)
        return cursor.fetchall() if cursor.description else []
