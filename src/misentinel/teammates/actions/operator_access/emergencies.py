"""Break-glass: for when a customer cannot answer. One operator asks, a second one confirms, the customer is paged.

It opens for an hour at most, to look only. The customer sees it at once and ends it like any other.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Refused
from misentinel.teammates.actions.operator_access.asking import open_access
from misentinel.teammates.actions.operator_access.rows import clean_reason, locked, notify_deciders, staff, tell
from misentinel.teammates.contracts import EMERGENCY, Notice
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import Access
from misentinel.trail.contracts import Tag

EMERGENCY_MINUTES = 60


def ask_emergency(actor: Actor, customer_id: UUID, *, reason: str) -> UUID:
    """Asks another operator to confirm an emergency. Nothing opens by it. Raises as `ask_for_access`."""
    row = Access(
        customer_id=customer_id, operator=staff(actor), reason=clean_reason(reason), permissions=sorted(EMERGENCY),
        minutes=EMERGENCY_MINUTES, looks_only=True, emergency=True, asked_at=now(),
    )  # fmt: skip
    with transaction.atomic():
        open_access(actor, row)
        tell(actor, row, Tag.ACCESS_BREAK_GLASS, reason=True, step="asked", permissions=row.permissions)
    return row.id


def confirm_emergency(actor: Actor, access_id: UUID) -> None:
    """A second operator confirms: it opens for the first one, and the customer's administrators are paged.

    Raises `Refused` for the one who asked, `Conflict` for one that is over or confirmed already, `NotFound`.
    """
    second = staff(actor)
    with transaction.atomic():
        row = locked(access_id, emergency=True)
        if row.operator_id == second.id:
            raise Refused("Somebody else must confirm this. Nobody opens a customer alone.")
        if row.state is not AccessState.ASKED:
            raise Conflict("This emergency was confirmed or declined already, or has lapsed.")
        if not row.operator.may_sign_in:
            raise Conflict("Who asked for this is suspended.")
        row.given_by, row.given_at = second.id, now()
        row.expires_at = row.given_at + timedelta(minutes=row.minutes)
        row.save(update_fields=["given_by", "given_at", "expires_at"])
        tell(
            actor, row, Tag.ACCESS_BREAK_GLASS, reason=True, step="confirmed", operator=str(row.operator_id),
            second=str(second.id), permissions=row.permissions,
            until=row.expires_at.isoformat(timespec="seconds"),
        )  # fmt: skip
        notify_deciders(row, Notice.BREAK_GLASS, until=row.expires_at)
