"""Writing entries: in the transaction of what they tell of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.utils import InterfaceError, OperationalError

from misentinel.kernel import canonical
from misentinel.kernel.actor import OPERATOR_ID, Actor
from misentinel.kernel.errors import Erased, NotFound, Unavailable
from misentinel.kernel.ids import new_id
from misentinel.store.contracts import Store
from misentinel.store.queries import get_store
from misentinel.trail.contracts import Outcome, Tag
from misentinel.trail.models import Entry, PendingCopy
from misentinel.vault import actions as vault_actions
from misentinel.vault.contracts import Place

CONTROL_ALIAS = "default"
OUT_OF_REACH = (OperationalError, InterfaceError)
_log = logging.getLogger(__name__)
PLATFORM = UUID(int=0)
_wake_up: Callable[[UUID], None] | None = None
_noticed: ContextVar[list[UUID] | None] = ContextVar("noticed", default=None)


def use_wake_up(wake_up: Callable[[UUID], None]) -> None:
    """Called once by `site/wiring.py`: how the worker learns that a customer's log, or `PLATFORM`, waits."""
    global _wake_up
    _wake_up = wake_up


@contextmanager
def noticing() -> Iterator[list[UUID]]:
    """Yields the list of entries written inside the block, so that the gate can tell when nothing was."""
    noticed: list[UUID] = []
    token = _noticed.set(noticed)
    try:
        yield noticed
    finally:
        _noticed.reset(token)


def record(
    store: Store,
    actor: Actor,
    tag: Tag,
    *,
    object_kind: str = "",
    object_id: object = "",
    person_id: UUID | None = None,
    outcome: Outcome = Outcome.DONE,
    details: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> UUID:
    """Adds an entry to the customer's trail, in the transaction that is open on `store`, and returns its id.

    `details` holds opaque ids, field names, counts and enumerated words, never a person's data. `before` and `after`
    are sealed under the person's key, or without a person under the customer's own.
    """
    entry = _entry(store.customer_id, actor, tag, object_kind, object_id, person_id, outcome, details)
    _seal(entry, before, after)
    entry.save(using=store.alias, force_insert=True)
    _seal_soon(store.customer_id, store.alias)
    return entry.id


def record_many(
    store: Store,
    actor: Actor,
    tag: Tag,
    object_ids: Sequence[object],
    *,
    object_kind: str,
    outcome: Outcome = Outcome.DONE,
    details: dict[str, Any] | None = None,
) -> list[UUID]:
    """Adds an entry for each of `object_ids` in one statement, and returns their ids: what happened to many at once.

    As `record`, without values. The entries share their moment, and follow one another in the log in this order.
    """
    entries = [
        _entry(store.customer_id, actor, tag, object_kind, object_id, None, outcome, details)
        for object_id in object_ids
    ]
    if not entries:
        return []
    ids, first = [entry.id for entry in entries], entries[0]
    with connections[store.alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO trail_entry (id, object_id, at, customer_id, tag, outcome, actor_kind, actor_id, credential,"
            " address, object_kind, person_id, request_id, details)"
            " SELECT id, object_id, %s, %s, %s, %s, %s, %s, %s, %s, %s, NULL, %s, %s::jsonb"
            " FROM unnest(%s::uuid[], %s::text[]) AS told (id, object_id)",
            [
                first.at, first.customer_id, first.tag, first.outcome, first.actor_kind, first.actor_id,
                first.credential, first.address, first.object_kind, first.request_id,
                canonical.dumps(first.details).decode(), ids, [entry.object_id for entry in entries],
            ],
        )  # fmt: skip
    _seal_soon(store.customer_id, store.alias)
    return ids


def record_control(
    actor: Actor,
    tag: Tag,
    *,
    customer_id: UUID | None = None,
    object_kind: str = "",
    object_id: object = "",
    outcome: Outcome = Outcome.DONE,
    details: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> UUID:
    """Adds an entry to the platform log, in the transaction that is open on the control plane, and returns its id.

    With a customer it is copied to that customer's own trail right after commit; `copy_pending` repairs what a crash
    left out. What belongs to the operator itself stays on the platform log, without values: it has no key to seal them.
    """
    if customer_id == OPERATOR_ID:
        customer_id = before = after = None
    entry = _entry(customer_id, actor, tag, object_kind, object_id, None, outcome, details)
    if customer_id is not None:
        _seal(entry, before, after)
    with transaction.atomic(using=CONTROL_ALIAS):
        entry.save(using=CONTROL_ALIAS, force_insert=True)
        _seal_soon(PLATFORM, CONTROL_ALIAS)
        if customer_id is not None:
            PendingCopy.objects.create(entry_id=entry.id, customer_id=customer_id)
            transaction.on_commit(lambda: copy_pending(entry.id), using=CONTROL_ALIAS, robust=True)
    return entry.id


def copy_pending(entry_id: UUID | None = None, limit: int = 1000) -> int:
    """Copies entries of the control plane to their customers' trails; returns how many. Safe to repeat.

    A store that cannot be written keeps its own entries waiting, and nobody else's.
    """
    pending = PendingCopy.objects.order_by("entry_id")
    if entry_id is not None:
        pending = pending.filter(entry_id=entry_id)
    copied, stuck = 0, set()
    for waiting in pending.iterator():
        if waiting.customer_id in stuck:
            continue
        if not _copy(waiting):
            stuck.add(waiting.customer_id)
            continue
        copied += 1
        if copied == limit:
            break
    return copied


def _seal_soon(log: UUID, alias: str) -> None:
    """After the commit; whatever hinders it, the entry is there and the sweep seals it."""
    if _wake_up is not None:
        transaction.on_commit(partial(_wake_up, log), using=alias, robust=True)


def _copy(waiting: PendingCopy) -> bool:
    try:
        store = get_store(waiting.customer_id)
    except NotFound:  # the customer is closed: the platform log keeps the entry, there is no trail left to copy to
        waiting.delete()
        return False
    except Unavailable:
        return False
    entry = Entry.objects.using(CONTROL_ALIAS).get(id=waiting.entry_id)
    try:
        with store.atomic():
            Entry.objects.using(store.alias).bulk_create([entry], ignore_conflicts=True)
            _seal_soon(store.customer_id, store.alias)
    except OUT_OF_REACH as error:  # its entries wait, those of other customers do not
        _log.warning("entry %s waits for %s: %s", entry.id, store.alias, type(error).__name__)
        return False
    waiting.delete()
    return True


def _entry(
    customer_id: UUID | None,
    actor: Actor,
    tag: Tag,
    object_kind: str,
    object_id: object,
    person_id: UUID | None,
    outcome: Outcome,
    details: dict[str, Any] | None,
) -> Entry:
    entry_id = new_id()
    details = {**(details or {}), **({"access": actor.access} if actor.access else {})}
    noticed = _noticed.get()
    if noticed is not None:
        noticed.append(entry_id)
    return Entry(
        id=entry_id, customer_id=customer_id, tag=tag.value, outcome=outcome.value,
        actor_kind=actor.kind.value, actor_id=actor.id, credential=actor.credential, address=actor.address,
        object_kind=object_kind, object_id=str(object_id), person_id=person_id, request_id=actor.request_id,
        details=details,
    )  # fmt: skip


def _seal(entry: Entry, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    if before is None and after is None:
        return
    if entry.customer_id is None:
        raise ValueError("only an entry of a customer can carry sealed values")
    subject = entry.person_id or entry.customer_id  # the customer has a key of its own, under its own id
    try:
        key = vault_actions.mint_person_keys(entry.customer_id, [subject])[subject]
    except Erased:  # nothing more is ever sealed for an erased person; the entry itself stays
        return
    for column, value in (("before", before), ("after", after)):
        if value is not None:
            place = Place("trail_entry", column, str(entry.id))
            setattr(entry, column, key.seal(place, canonical.dumps(value)))
