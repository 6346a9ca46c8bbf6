"""Consequences of a committed change: put in its transaction, drained by the worker in batches, at least once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction

from misentinel.kernel.clock import now
from misentinel.store.contracts import Store, Topic
from misentinel.store.models import OutboxRow
from misentinel.store.ports import WakeUp

Handler = Callable[[Store, dict[str, Any]], None]

_log = logging.getLogger(__name__)
_BATCH = 100
_LONGEST_WAIT_SECONDS = 3600
_wake_up: WakeUp | None = None


def use_wake_up(wake_up: WakeUp) -> None:
    """Called once by `site/wiring.py`: how the worker learns that a store has something in its outbox."""
    global _wake_up
    _wake_up = wake_up


def put(store: Store, topic: Topic, payload: dict[str, Any]) -> None:
    """Adds a row in the caller's transaction and wakes the worker after its commit. `payload` holds ids, no data."""
    if not store.connection.in_atomic_block:
        raise RuntimeError("outbox.put belongs inside store.atomic(), so that the change and its row commit together")
    OutboxRow.objects.using(store.alias).create(topic=topic, payload=payload)
    transaction.on_commit(lambda: _wake(store), using=store.alias)


def drain(store: Store, handlers: Mapping[Topic, Sequence[Handler]], limit: int = 10_000) -> int:
    """Handles what is due, oldest first, and returns how many rows were handled.

    A row and the writes its handlers make in this store commit together. A handler that raises leaves its row for a
    later try (doubling the wait up to an hour) and stops nobody else's.
    """
    handled = 0
    while handled < limit:
        rows = _due(store)
        if not rows:
            break
        done = sum(_handle(store, handlers, row_id) for row_id in rows)
        handled += done
        if done == 0:
            break
    return handled


def count_waiting(store: Store) -> int:
    return OutboxRow.objects.using(store.alias).count()


def _wake(store: Store) -> None:
    if _wake_up is not None:
        _wake_up(store.customer_id)


def _due(store: Store) -> list[Any]:
    due = OutboxRow.objects.using(store.alias).filter(due_at__lte=now())
    return list(due.order_by("id").values_list("id", flat=True)[:_BATCH])


def _handle(store: Store, handlers: Mapping[Topic, Sequence[Handler]], row_id: Any) -> bool:
    try:
        with store.atomic():
            row = OutboxRow.objects.using(store.alias).select_for_update(skip_locked=True).filter(id=row_id).first()
            if row is None:
                return False
            for handler in handlers[Topic(row.topic)]:
                handler(store, row.payload)
            row.delete(using=store.alias)
    except Exception as fault:  # noqa: BLE001  whatever a handler raises must not stop the others' rows
        _postpone(store, row_id, fault)
        return False
    return True


def _postpone(store: Store, row_id: Any, fault: Exception) -> None:
    _log.exception("outbox row %s of %s failed", row_id, store.alias)
    with store.atomic():
        row = OutboxRow.objects.using(store.alias).select_for_update().filter(id=row_id).first()
        if row is None:
            return
        row.attempts += 1
        row.fault = type(fault).__name__
        row.due_at = now() + timedelta(seconds=min(2**row.attempts, _LONGEST_WAIT_SECONDS))
        row.save(using=store.alias)
