"""What became of a message, counted and one by one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Count, Min

from misentinel.kernel.errors import NotFound
from misentinel.messages.contracts import DeliveryPage, DeliveryState, DeliveryView, Reason, Report
from misentinel.messages.models import DeliveryRow
from misentinel.store.contracts import Store
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Place


def report(store: Store, message_id: UUID) -> Report:
    """Counts the message's deliveries by state, and by reason where there is one."""
    rows = DeliveryRow.objects.using(store.alias).filter(message_id=message_id)
    counted = list(rows.values_list("state", "reason").annotate(Count("id")))
    states: dict[DeliveryState, int] = {}
    reasons: dict[Reason, int] = {}
    for state, reason, number in counted:
        states[DeliveryState(state)] = states.get(DeliveryState(state), 0) + number
        if reason:
            reasons[Reason(reason)] = reasons.get(Reason(reason), 0) + number
    return Report(message_id, sum(states.values()), states, reasons)


def list_recipients(
    store: Store,
    message_id: UUID,
    *,
    state: DeliveryState | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> DeliveryPage:
    """Returns a page of the message's deliveries. Who they are is for `people.queries` to say, and on the trail."""
    rows = DeliveryRow.objects.using(store.alias).filter(message_id=message_id)
    if state is not None:
        rows = rows.filter(state=state.value)
    if after is not None:
        rows = rows.filter(id__gt=after)
    found = list(rows.order_by("id")[: limit + 1])
    page = [view_delivery(row) for row in found[:limit]]
    return DeliveryPage(page, page[-1].id if len(found) > limit else None)


def get_delivery(store: Store, delivery_id: UUID) -> DeliveryView:
    """Returns the delivery with the mail server's answer opened. Raises `NotFound`."""
    row = DeliveryRow.objects.using(store.alias).filter(id=delivery_id).first()
    if row is None:
        raise NotFound("There is no such delivery.")
    key = vault.person_keys(store.customer_id, [row.person_id]).get(row.person_id)
    answer = key.open(answer_place(row.id), bytes(row.answer)).decode() if key and row.answer else ""
    return view_delivery(row, answer)


def next_due(store: Store) -> datetime | None:
    """Returns when the next queued delivery is due, or None when nothing waits."""
    queued = DeliveryRow.objects.using(store.alias).filter(waiting=True)
    due: datetime | None = queued.aggregate(due=Min("due_at"))["due"]
    return due


def answer_place(delivery_id: UUID) -> Place:
    return Place("messages_delivery", "answer", delivery_id)


def view_delivery(row: DeliveryRow, answer: str = "") -> DeliveryView:
    return DeliveryView(
        id=row.id, message_id=row.message_id, person_id=row.person_id, state=DeliveryState(row.state),
        reason=Reason(row.reason) if row.reason else None, attempts=row.attempts, code=row.code,
        due_at=row.due_at, ended_at=row.ended_at, answer=answer,
    )  # fmt: skip
