"""The operator's staff ask a customer to be let in, and take a question or an access back."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.customers.queries import find_customer
from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, NotFound
from misentinel.teammates.actions.operator_access.giving import close, close_over
from misentinel.teammates.actions.operator_access.rows import (
    clean_minutes,
    clean_reason,
    clean_scope,
    locked,
    notify_deciders,
    staff,
    tell,
)
from misentinel.teammates.contracts import Notice, Permission
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import Access
from misentinel.trail.contracts import Tag


def ask_for_access(
    actor: Actor,
    customer_id: UUID,
    *,
    reason: str,
    permissions: Iterable[Permission],
    minutes: int,
    looks_only: bool = True,
) -> UUID:
    """Asks the customer; nothing opens by it. Raises `Invalid` for the reason, the scope or the time, `NotFound` for
    the customer, `Conflict` where the operator has a question or an access there already.
    """
    operator = staff(actor)
    row = Access(
        customer_id=customer_id, operator=operator, reason=clean_reason(reason), permissions=clean_scope(permissions),
        minutes=clean_minutes(minutes), looks_only=looks_only, asked_at=now(),
    )  # fmt: skip
    with transaction.atomic():
        open_access(actor, row)
        tell(
            actor, row, Tag.ACCESS_ASK, reason=True, permissions=row.permissions, minutes=row.minutes,
            looks_only=row.looks_only,
        )  # fmt: skip
        notify_deciders(row, Notice.OPERATOR_ASKS)
    return row.id


def open_access(actor: Actor, row: Access) -> None:
    """Saves a new access in place of one that is over. Raises `NotFound` for the customer, `Conflict` for a second."""
    customer = find_customer(row.customer_id)
    if customer is None or customer.closed_at is not None:
        raise NotFound("There is no such customer.")
    close_over(Access.objects.filter(customer_id=row.customer_id, operator=row.operator, emergency=row.emergency))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict("There is a question or an access for this customer already. Use it, or take it back.") from None


def withdraw_access(actor: Actor, access_id: UUID) -> None:
    """The operator takes a question back, or gives an access up. Raises `NotFound`, `Conflict` for one that is over."""
    operator = staff(actor)
    with transaction.atomic():
        row = locked(access_id, operator=operator)
        if row.state not in (AccessState.ASKED, AccessState.LIVE):
            raise Conflict("This access is over already.")
        close(row, AccessState.WITHDRAWN)
        tell(actor, row, Tag.ACCESS_END, why="withdrawn")
