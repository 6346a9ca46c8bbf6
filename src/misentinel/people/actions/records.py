"""The rows of people: sealing what is known, and the searchable shape beside it. Private to the actions of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from misentinel.kernel.clock import now
from misentinel.people.contracts import PersonRef
from misentinel.people.models import AttributeRow
from misentinel.people.rules import joined_ids, match_of, merged_traits, search_tokens
from misentinel.store.contracts import Store
from misentinel.store.statements import byteas, jsons, moments, run, texts, uuids
from misentinel.vault.contracts import PersonKey, Place, Tokens

SEALED_IN = ("people_person", "sealed")


def in_clear(store: Store) -> frozenset[str]:
    """Returns the attributes that the customer declared not personal."""
    names = AttributeRow.objects.using(store.alias).filter(personal=False).values_list("name", flat=True)
    return frozenset(names)


def opened(key: PersonKey, person_id: UUID, sealed: bytes) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(key.open(Place(*SEALED_IN, person_id), sealed))
    return document


def folded(document: Mapping[str, Any], refs: Sequence[PersonRef]) -> dict[str, Any]:
    """Returns the document after `refs` were said of its person."""
    traits = dict(document["traits"])
    user_id, anonymous = document["user_id"], list(document["anonymous_ids"])
    for ref in refs:
        traits = merged_traits(traits, ref.traits) if ref.traits else traits
        user_id = user_id or ref.user_id
        anonymous += [each for each in (ref.anonymous_id, ref.previous_id) if each and each not in anonymous]
    return {"traits": traits, "user_id": user_id, "anonymous_ids": joined_ids(anonymous)}


def insert(
    store: Store, tokens: Tokens, keys: Mapping[UUID, PersonKey], said: Mapping[UUID, Sequence[PersonRef]]
) -> None:
    """Adds new people with what is said of them."""
    clear = in_clear(store)
    nobody = {"traits": {}, "user_id": "", "anonymous_ids": []}
    rows = [
        (*_columns(tokens, keys[person_id], person_id, folded(nobody, refs), clear), _seen(refs))
        for person_id, refs in said.items()
    ]
    at = now()
    run(
        store,
        "INSERT INTO people_person"
        " (id, sealed, match, search, identified, last_seen_at, created_at, updated_at)"
        " SELECT id, sealed, match, string_to_array(search, ' '), identified, seen, %b, %b"
        " FROM unnest(%b, %b, %b, %b, %b::bool[], %b) AS new (id, sealed, match, search, identified, seen)",
        [at, at, *_arrays(rows)],
    )


def update(
    store: Store, tokens: Tokens, keys: Mapping[UUID, PersonKey], said: Mapping[UUID, Sequence[PersonRef]]
) -> list[UUID]:
    """Locks these people in the order of their ids, says of them what is new, and returns whose record changed."""
    rows = run(
        store,
        "SELECT id, sealed, last_seen_at FROM people_person WHERE id = ANY(%b) ORDER BY id FOR UPDATE",
        [uuids(list(said))],
    )
    clear = in_clear(store)
    changed, seen = [], []
    for person_id, sealed, last_seen in rows:
        refs = said[person_id]
        before = opened(keys[person_id], person_id, sealed)
        after = folded(before, refs)
        last = max(_seen(refs), last_seen)
        if after != before:
            changed.append((*_columns(tokens, keys[person_id], person_id, after, clear), last))
        elif last > last_seen:
            seen.append((person_id, last))
    if changed:
        _write(store, changed)
    if seen:
        run(
            store,
            "UPDATE people_person AS person SET last_seen_at = new.seen"
            " FROM unnest(%b, %b) AS new (id, seen) WHERE person.id = new.id",
            [uuids([row[0] for row in seen]), moments([row[1] for row in seen])],
        )
    return [row[0] for row in changed]


def replace(store: Store, tokens: Tokens, key: PersonKey, person_id: UUID, document: dict[str, Any]) -> None:
    """Puts `document` in the place of what was known about one person, whose row the caller has locked."""
    _write(store, [(*_columns(tokens, key, person_id, document, in_clear(store)), datetime.min.replace(tzinfo=UTC))])


def _write(store: Store, rows: list[tuple[Any, ...]]) -> None:
    run(
        store,
        "UPDATE people_person AS person SET sealed = new.sealed, match = new.match,"
        " search = string_to_array(new.search, ' '), identified = new.identified,"
        " last_seen_at = greatest(person.last_seen_at, new.seen), updated_at = %b"
        " FROM unnest(%b, %b, %b, %b, %b::bool[], %b) AS new (id, sealed, match, search, identified, seen)"
        " WHERE person.id = new.id",
        [now(), *_arrays(rows)],
    )


def _arrays(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    ids, sealed, match, search, identified, seen = zip(*rows, strict=True)
    return [uuids(ids), byteas(sealed), jsons(match), texts(search), list(identified), moments(seen)]


def _columns(
    tokens: Tokens, key: PersonKey, person_id: UUID, document: dict[str, Any], clear: frozenset[str]
) -> tuple[UUID, bytes, bytes, str, bool]:
    traits, user_id = document["traits"], document["user_id"]
    return (
        person_id,
        key.seal(Place(*SEALED_IN, person_id), orjson.dumps(document)),
        orjson.dumps(match_of(traits, tokens, clear)),
        " ".join(search_tokens(traits, user_id, tokens)),
        bool(user_id),
    )


def _seen(refs: Sequence[PersonRef]) -> datetime:
    return max((ref.seen_at for ref in refs if ref.seen_at), default=None) or now()
