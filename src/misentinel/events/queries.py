"""Reading events: a person's timeline, and the range that a batch brought."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson

from misentinel.events.contracts import EventView
from misentinel.events.models import EventRow
from misentinel.store.contracts import Store
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Place

_COLUMNS = ("id", "type", "name", "person_id", "at", "received_at", "sealed")


def timeline(store: Store, person_id: UUID, *, after: EventView | None = None, limit: int = 50) -> list[EventView]:
    """Returns a person's events, opened, the latest first. `after` is the last one of the page before."""
    rows = EventRow.objects.using(store.alias).filter(person_id=person_id)
    if after is not None:
        rows = rows.filter(at__lte=after.at).exclude(at=after.at, id__gte=after.id)
    return _opened(store, rows.order_by("-at", "-id").values_list(*_COLUMNS)[:limit])


def find_event(store: Store, person_id: UUID, event_id: UUID) -> EventView | None:
    """Returns one of the person's events, opened, or None."""
    rows = EventRow.objects.using(store.alias).filter(person_id=person_id, id=event_id)
    return next(iter(_opened(store, rows.values_list(*_COLUMNS))), None)


def list_between(store: Store, first: UUID, last: UUID, *, names: Iterable[str] | None = None) -> list[EventView]:
    """Returns the events whose ids lie between two, both included: what an `EVENTS_RECEIVED` row speaks of, and what
    other batches brought at the same time. Opened, in the order of ids.
    """
    rows = EventRow.objects.using(store.alias).filter(id__gte=first, id__lte=last)
    if names is not None:
        rows = rows.filter(name__in=list(names))
    return _opened(store, rows.order_by("id").values_list(*_COLUMNS))


def open_events(store: Store, event_ids: Iterable[UUID]) -> dict[UUID, EventView]:
    """Returns the events by id, opened; those that do not exist are absent."""
    rows = EventRow.objects.using(store.alias).filter(id__in=list(event_ids))
    return {event.id: event for event in _opened(store, rows.values_list(*_COLUMNS))}


def count_events(store: Store, *, person_id: UUID | None = None) -> int:
    rows = EventRow.objects.using(store.alias)
    return rows.filter(person_id=person_id).count() if person_id else rows.count()


def _opened(store: Store, rows: Any) -> list[EventView]:
    found = list(rows)
    keys = vault.person_keys(store.customer_id, {row[3] for row in found})
    return [_view(keys.get(row[3]), *row) for row in found]


def _view(
    key: Any, event_id: UUID, kind: str, name: str, person_id: UUID, at: Any, received: Any, sealed: Any
) -> EventView:
    document = None
    if key is not None:
        document = orjson.loads(key.open(Place("events_event", "sealed", event_id), bytes(sealed)))
    return EventView(event_id, kind, name, person_id, at, received, document)
