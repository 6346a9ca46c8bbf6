"""From references to people: one read for a batch, and writes only for those of whom something new is said.

Locks, always in this order, so that batches wait for each other and never in a circle: the store's identities (shared;
exclusive where people are merged), identity rows by token, people by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Unavailable
from misentinel.kernel.ids import new_id
from misentinel.people.actions import records
from misentinel.people.actions.merging import absorb
from misentinel.people.contracts import PersonRef, Recognised
from misentinel.people.rules import Kind, Known, Plan, Wanted, resolve, token_bits
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.vault import actions as vault_actions
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Tokens

SEEN_GRAIN = timedelta(minutes=5)
"""How far `last_seen_at` may lag behind: a person who is active all day is not rewritten at every event."""

_ATTEMPTS = 8
_IDENTITIES_LOCK = 0x4D53_6964


class _StartAgain(Exception):
    """Another batch was first, or this one needs the exclusive lock."""


def recognise(store: Store, actor: Actor, refs: Sequence[PersonRef]) -> Recognised:
    """Returns who is meant by each reference, making, completing and merging people as the rules have it.

    Belongs inside `store.atomic()`. Keys of new people are committed in the vault before anything of theirs is. The id
    of somebody erased is None. The caller moves what else belongs to merged people before it commits.
    """
    tokens = vault.tokens(store.customer_id)
    wanted = [_wanted(ref, tokens) for ref in refs]
    exclusive = any(each.previous_anonymous is not None for each in wanted)
    for _ in range(_ATTEMPTS):
        try:
            with store.atomic():
                return _attempt(store, actor, refs, wanted, tokens, exclusive)
        except _StartAgain as again:
            exclusive = exclusive or bool(again.args)
    raise Unavailable("Other requests keep changing the same people; try again.")


def _wanted(ref: PersonRef, tokens: Tokens) -> Wanted:
    def bits(kind: Kind, text: str) -> UUID | None:
        return token_bits(tokens.value(kind, text)) if text else None

    return Wanted(
        bits(Kind.USER_ID, ref.user_id),
        bits(Kind.ANONYMOUS_ID, ref.anonymous_id),
        bits(Kind.USER_ID, ref.previous_id),
        bits(Kind.ANONYMOUS_ID, ref.previous_id),
    )


def _attempt(
    store: Store, actor: Actor, refs: Sequence[PersonRef], wanted: list[Wanted], tokens: Tokens, exclusive: bool
) -> Recognised:
    known = _known(store, wanted, exclusive)
    plan = resolve(wanted, known, new_id)
    if plan.merges and not exclusive:
        raise _StartAgain("exclusive")
    _insert_identities(store, plan)
    if plan.created:
        vault_actions.mint_person_keys(store.customer_id, plan.created)
    keys = vault.person_keys(store.customer_id, {*plan.ids, *plan.merges})
    said = _said(plan, refs)
    if plan.created:
        records.insert(store, tokens, keys, {person_id: said[person_id] for person_id in plan.created})
    if plan.merges:
        absorb(store, actor, plan, keys)
    changed = _update(store, tokens, keys, plan, said, known)
    created = tuple(person_id for person_id in plan.created if person_id in keys)
    if created or changed or plan.merges:
        outbox.put(
            store,
            Topic.PEOPLE_CHANGED,
            {
                "ids": [str(person_id) for person_id in (*created, *changed)],
                "merged": {str(absorbed): str(survivor) for absorbed, survivor in plan.merges.items()},
            },
        )
    ids = tuple(person_id if person_id in keys else None for person_id in plan.ids)
    return Recognised(ids, created, tuple(changed), dict(plan.merges))


def _known(store: Store, wanted: list[Wanted], exclusive: bool) -> dict[UUID, Known]:
    tokens = {
        token
        for each in wanted
        for token in (each.user, each.anonymous, each.previous_user, each.previous_anonymous)
        if token is not None
    }
    lock = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    records.run(store, f"SELECT {lock}(%s)", [_IDENTITIES_LOCK])
    rows = records.run(
        store,
        "SELECT identity.token, person.id, person.identified, person.last_seen_at"
        " FROM people_identity AS identity JOIN people_person AS person ON person.id = identity.person_id"
        " WHERE identity.token = ANY(%b)",
        [list(tokens)],
    )
    return {token: Known(person_id, identified, seen) for token, person_id, identified, seen in rows}


def _insert_identities(store: Store, plan: Plan) -> None:
    """Raises `_StartAgain` if another batch has just given one of the identifiers to somebody."""
    if not plan.identities:
        return
    tokens = sorted(plan.identities)
    rows = records.run(
        store,
        "INSERT INTO people_identity (token, kind, person_id)"
        " SELECT * FROM unnest(%b::uuid[], %b::text[], %b::uuid[]) ON CONFLICT DO NOTHING RETURNING token",
        [
            tokens,
            [plan.identities[token][0].value for token in tokens],
            [plan.identities[token][1] for token in tokens],
        ],
    )
    if len(rows) != len(tokens):
        raise _StartAgain


def _said(plan: Plan, refs: Sequence[PersonRef]) -> dict[UUID, list[PersonRef]]:
    said: dict[UUID, list[PersonRef]] = {}
    for person_id, ref in zip(plan.ids, refs, strict=True):
        said.setdefault(person_id, []).append(ref)
    return said


def _update(
    store: Store,
    tokens: Tokens,
    keys: dict[UUID, Any],
    plan: Plan,
    said: dict[UUID, list[PersonRef]],
    known: dict[UUID, Known],
) -> list[UUID]:
    """Completes the records of known people of whom something new may have been said. Returns whose changed."""
    seen_before = {each.person_id: each.last_seen_at for each in known.values()}
    touched = {owner for _, owner in plan.identities.values()} | plan.identified | set(plan.merges.values())
    candidates = []
    for person_id, refs in said.items():
        if person_id in plan.created or person_id not in keys:
            continue
        last = max((ref.seen_at for ref in refs if ref.seen_at), default=None) or now()
        stale = person_id not in seen_before or last - seen_before[person_id] > SEEN_GRAIN
        if person_id in touched or stale or any(ref.traits for ref in refs):
            candidates.append(person_id)
    if not candidates:
        return []
    return records.update(store, tokens, keys, {person_id: said[person_id] for person_id in sorted(candidates)})
