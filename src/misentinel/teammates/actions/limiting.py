"""How long sessions last, chosen by a customer: shorter than the program's own limits, never longer."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Invalid
from misentinel.teammates.contracts import Lasting
from misentinel.teammates.models import SessionLimits
from misentinel.teammates.queries.limits import ABSOLUTE_LIMIT, IDLE_LIMIT, get_limits
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

SHORTEST = timedelta(minutes=5)


def set_session_limits(actor: Actor, customer_id: UUID, lasting: Lasting) -> None:
    """Holds from every session's next request on, those that are open included. Raises `Invalid`."""
    if not SHORTEST <= lasting.idle <= IDLE_LIMIT:
        raise Invalid("Without use a session ends after 5 minutes to 12 hours.")
    if not lasting.idle <= lasting.absolute <= ABSOLUTE_LIMIT:
        raise Invalid("A session lasts 7 days at the most, and not shorter than it may go without use.")
    with transaction.atomic():
        before = get_limits(customer_id)
        SessionLimits.objects.update_or_create(
            customer_id=customer_id,
            defaults={"idle_minutes": _minutes(lasting.idle), "absolute_minutes": _minutes(lasting.absolute)},
        )
        record_control(
            actor, Tag.SETTINGS_EDIT, customer_id=customer_id, object_kind="session_limits",
            details={
                "idle_minutes": _minutes(lasting.idle), "absolute_minutes": _minutes(lasting.absolute),
                "idle_minutes_before": _minutes(before.idle), "absolute_minutes_before": _minutes(before.absolute),
            },
        )  # fmt: skip


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
