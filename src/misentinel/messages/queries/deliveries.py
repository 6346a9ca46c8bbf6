"""Deliveries across messages: one person's, or the latest of all; and whether somebody has unsubscribed."""

from __future__ import annotations

from uuid import UUID

from misentinel.messages.contracts import DeliveryState, DeliveryView
from misentinel.messages.models import DeliveryRow, SuppressionRow
from misentinel.messages.queries.reports import view_delivery
from misentinel.store.contracts import Store


def list_latest(store: Store, *, person_id: UUID | None = None, limit: int = 20) -> list[DeliveryView]:
    """Returns the newest deliveries, of one person or of everybody."""
    rows = DeliveryRow.objects.using(store.alias)
    if person_id is not None:
        rows = rows.filter(person_id=person_id)
    return [view_delivery(row) for row in rows.order_by("-id")[:limit]]


def count_sent(store: Store) -> int:
    return DeliveryRow.objects.using(store.alias).filter(state=DeliveryState.SENT.value).count()


def is_unsubscribed(store: Store, person_id: UUID) -> bool:
    return SuppressionRow.objects.using(store.alias).filter(subject=f"p:{person_id}").exists()
