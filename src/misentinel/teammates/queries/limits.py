"""How long sessions last: the program's own limits, or shorter ones that a customer chose."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import OuterRef, Subquery

from misentinel.teammates.contracts import Lasting
from misentinel.teammates.models import SessionLimits, SessionRecord

IDLE_LIMIT = timedelta(hours=12)
ABSOLUTE_LIMIT = timedelta(days=7)


def get_limits(customer_id: UUID) -> Lasting:
    """Returns what counts for the customer's sessions now."""
    row = SessionLimits.objects.filter(customer_id=customer_id).first()
    return _shortest(row.idle_minutes, row.absolute_minutes) if row else _shortest(None, None)


def limits(customer_id: str) -> dict[str, Subquery]:
    """Annotations for `limits_of`, to be read with the session in one query."""
    chosen = SessionLimits.objects.filter(customer_id=OuterRef(customer_id))
    return {name: Subquery(chosen.values(name)) for name in ("idle_minutes", "absolute_minutes")}


def limits_of(record: SessionRecord) -> Lasting:
    return _shortest(record.idle_minutes, record.absolute_minutes)  # type: ignore[attr-defined]  # annotated by `limits`


def _shortest(idle: int | None, absolute: int | None) -> Lasting:
    return Lasting(
        IDLE_LIMIT if idle is None else min(IDLE_LIMIT, timedelta(minutes=idle)),
        ABSOLUTE_LIMIT if absolute is None else min(ABSOLUTE_LIMIT, timedelta(minutes=absolute)),
    )
