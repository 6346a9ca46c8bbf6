"""From references to people: one read for a batch, and writes only for those of whom something new is said.

Locks, always in this order, so that batches wait for each other and never in a circle: the store's identities (shared;
exclusive where people are merged), identity rows by token, people by id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Unavailable
from misentinel.kernel.ids import new_id
from misentinel.people.actions import records
from misentinel.people.actions.merging import absorb
from misentinel.people.contracts import PersonRef, Recognised, StartAgain
from misentinel.people.rules import Kind, Known, Plan, Wanted, resolve
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.store.statements import bits, run, run_together, texts, uuids
from misentinel.vault import actions as vault_actions
from misentinel.vault import queries as vault
from misentinel.vault.contracts import PersonKey, Tokens

SEEN_GRAIN = timedelta(minutes=5)
"""How far `last_seen_at` may lag behind: a person who is active all day is not rewritten at every event."""

_ATTEMPTS = 8
_IDENTITIES_LOCK = 0x4D53_6964
_Done = TypeVar("_Done")


def until_settled(work: Callable[[bool], _Done]) -> _Done:
    """Calls `work(exclusive)`, which opens a transaction and recognises in it, until nobody is in its way."""
    exclusive = False
    for _ in range(_ATTEMPTS):
        try:
            return work(exclusive)
        except StartAgain as again:
            exclusive = exclusive or again.exclusive
    raise Unavailable("Other requests keep changing the same people; try again.")


def recognise(store: Store, actor: Actor, refs: Sequence[PersonRef], *, exclusive: bool = False) -> Recognised:
    """Returns who is meant by each reference, making, completing and merging people as the rules have it.

    Belongs inside `store.atomic()` inside `until_settled`: raises `StartAgain`. Keys of new people are committed in the
    vault before anything of theirs is. The id of somebody erased is None. The caller moves what else belongs to merged
    people before it commits.
    """
    tokens = vault.tokens(store.customer_id)
    wanted = [_wanted(ref, tokens) for ref in refs]
    known = _known(store, wanted, exclusive)
    plan = resolve(wanted, known, new_id)
    if plan.merges and not exclusive:
        raise StartAgain(exclusive=True)
    if plan.identities:
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
    if plan.created or changed or plan.merges:
        _announce(store, plan, changed)
    ids = tuple([person_id if person_id in keys else None for person_id in plan.ids])
    return Recognised(ids, keys, tuple(plan.created), tuple(changed), dict(plan.merges))


def _wanted(ref: PersonRef, tokens: Tokens) -> Wanted:
    previous = ref.previous_id
    return Wanted(
        tokens.bits(Kind.USER_ID, ref.user_id) if ref.user_id else None,
        tokens.bits(Kind.ANONYMOUS_ID, ref.anonymous_id) if ref.anonymous_id else None,
        tokens.bits(Kind.USER_ID, previous) if previous else None,
        tokens.bits(Kind.ANONYMOUS_ID, previous) if previous else None,
    )


def _known(store: Store, wanted: list[Wanted], exclusive: bool) -> dict[bytes, Known]:
    tokens = {token for each in wanted for token in each if token is not None}
    # Two statements: the second must see what was committed while the first waited.
    lock = _LOCK_EXCLUSIVE if exclusive else _LOCK_SHARED
    _, rows = run_together(store, (lock, ()), (_KNOWN, [bits(tokens)]))
    return {row[0]: Known(*row[1:]) for row in rows}


_LOCK_SHARED = f"SELECT pg_advisory_xact_lock_shared({_IDENTITIES_LOCK})"
_LOCK_EXCLUSIVE = f"SELECT pg_advisory_xact_lock({_IDENTITIES_LOCK})"
_KNOWN = (
    "SELECT uuid_send(identity.token), person.id, person.identified, person.last_seen_at"
    " FROM people_identity AS identity JOIN people_person AS person ON person.id = identity.person_id"
    " WHERE identity.token = ANY(%b)"
)


def _insert_identities(store: Store, plan: Plan) -> None:
    """Raises `StartAgain` if another batch has just given one of the identifiers to somebody."""
    tokens = sorted(plan.identities)
    rows = run(
        store,
        "INSERT INTO people_identity (token, kind, person_id)"
        " SELECT * FROM unnest(%b, %b, %b) ON CONFLICT DO NOTHING RETURNING 1",
        [
            bits(tokens),
            texts([plan.identities[token][0].value for token in tokens]),
            uuids([plan.identities[token][1] for token in tokens]),
        ],
    )
    if len(rows) != len(tokens):
        raise StartAgain


def _said(plan: Plan, refs: Sequence[PersonRef]) -> dict[UUID, list[PersonRef]]:
    said: dict[UUID, list[PersonRef]] = {}
    for person_id, ref in zip(plan.ids, refs, strict=True):
        said.setdefault(person_id, []).append(ref)
    return said


def _update(
    store: Store,
    tokens: Tokens,
    keys: Mapping[UUID, PersonKey],
    plan: Plan,
    said: dict[UUID, list[PersonRef]],
    known: dict[bytes, Known],
) -> list[UUID]:
    """Completes the records of known people of whom something new may have been said. Returns whose changed."""
    seen_before = {each.person_id: each.last_seen_at for each in known.values()}
    touched = {owner for _, owner in plan.identities.values()} | plan.identified | set(plan.merges.values())
    candidates = []
    for person_id, refs in said.items():
        if person_id in plan.created or person_id not in keys:
            continue
        before = seen_before.get(person_id)
        last = max([ref.seen_at for ref in refs if ref.seen_at], default=None) or now()
        stale = before is None or last - before > SEEN_GRAIN
        if stale or person_id in touched or any(ref.traits for ref in refs):
            candidates.append(person_id)
    if not candidates:
        return []
    return records.update(store, tokens, keys, {person_id: said[person_id] for person_id in sorted(candidates)})


def _announce(store: Store, plan: Plan, changed: Sequence[UUID]) -> None:
    payload = {
        "ids": [str(person_id) for person_id in (*plan.created, *changed)],
        "merged": {str(absorbed): str(survivor) for absorbed, survivor in plan.merges.items()},
    }
    outbox.put(store, Topic.PEOPLE_CHANGED, payload)
