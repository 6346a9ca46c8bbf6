"""The customer gives, narrows, declines and ends. Only a teammate of that customer can, and only what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from misentinel.kernel.actor import OPERATOR_ID, Actor, ActorKind, system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.teammates import rules
from misentinel.teammates.actions.inviting import held_by
from misentinel.teammates.actions.operator_access.rows import (
    LONGEST_MINUTES,
    clean_minutes,
    clean_reason,
    clean_scope,
    locked,
    notify_deciders,
    tell,
)
from misentinel.teammates.contracts import Notice, Permission
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import Access, Teammate
from misentinel.trail.contracts import Tag

LONGEST = timedelta(minutes=LONGEST_MINUTES)


def give_access(
    actor: Actor,
    customer_id: UUID,
    access_id: UUID,
    *,
    permissions: Iterable[Permission],
    minutes: int,
    looks_only: bool = True,
) -> None:
    """Gives what was asked for, or less. It opens from now on, for `minutes`.

    Raises `Invalid` for more than was asked, `Refused` for what the giver does not hold, `Conflict` for a question that
    is over, `NotFound`, also for another customer's.
    """
    with transaction.atomic():
        giver = _giver(actor, customer_id, permissions := frozenset(permissions))
        row = locked(access_id, customer_id=customer_id, emergency=False)
        if row.state is not AccessState.ASKED:
            raise Conflict("This question was answered already, or has lapsed.")
        wider = set(clean_scope(permissions)) - set(row.permissions)
        if wider or clean_minutes(minutes) > row.minutes or (row.looks_only and not looks_only):
            raise Invalid("You can give what was asked for, or less. For more, give an access of your own below.")
        row.permissions, row.minutes, row.looks_only = clean_scope(permissions), minutes, looks_only
        _open(actor, row, giver)


def give_unasked(
    actor: Actor,
    customer_id: UUID,
    operator_id: UUID,
    *,
    reason: str,
    permissions: Iterable[Permission],
    minutes: int,
    looks_only: bool = True,
) -> UUID:
    """Lets one of the operator's staff in who has not asked. Raises as `give_access`, and `Conflict` where there is a
    question or an access of theirs already.
    """
    with transaction.atomic():
        giver = _giver(actor, customer_id, permissions := frozenset(permissions))
        operator = Teammate.objects.filter(id=operator_id, customer_id=OPERATOR_ID).first()
        if operator is None or not operator.may_sign_in:
            raise NotFound("There is no such member of the operator's staff.")
        close_over(Access.objects.filter(customer_id=customer_id, operator=operator, emergency=False))
        row = Access(
            customer_id=customer_id, operator=operator, reason=clean_reason(reason), asked=False, asked_at=now(),
            permissions=clean_scope(permissions), minutes=clean_minutes(minutes), looks_only=looks_only,
        )  # fmt: skip
        try:
            with transaction.atomic():
                _open(actor, row, giver, reason=True)
        except IntegrityError:
            raise Conflict(f"{operator.name} has asked already, or has access. Answer that, or end it first.") from None
    return row.id


def decline_access(actor: Actor, customer_id: UUID, access_id: UUID) -> None:
    """Says no, to an emergency too. Raises `NotFound`, also for another customer's, `Conflict` for one that is over."""
    with transaction.atomic():
        _giver(actor, customer_id, frozenset())
        row = locked(access_id, customer_id=customer_id)
        if row.state is not AccessState.ASKED:
            raise Conflict("This question was answered already, or has lapsed.")
        close(row, AccessState.DECLINED)
        tell(actor, row, Tag.ACCESS_DECLINE)


def end_access(actor: Actor, customer_id: UUID, access_id: UUID) -> None:
    """Ends it: the operator's very next request finds nothing open. Raises as `decline_access`."""
    with transaction.atomic():
        _giver(actor, customer_id, frozenset())
        row = locked(access_id, customer_id=customer_id)
        if row.state is not AccessState.LIVE:
            raise Conflict("This access is over already.")
        close(row, AccessState.ENDED)
        tell(actor, row, Tag.ACCESS_END, why="ended")


def end_what_is_over() -> int:
    """Writes down which accesses have run out and which questions have lapsed; they stopped counting at their time."""
    return close_over(Access.objects.all())


def close_over(rows: QuerySet[Access]) -> int:
    """Closes those of `rows` that time has ended, each with an entry. Returns how many."""
    closed = 0
    with transaction.atomic():
        for row in rows.filter(ended_at=None).select_for_update(of=("self",)).order_by("id"):
            if row.state in (AccessState.EXPIRED, AccessState.LAPSED):
                state = row.state
                close(row, state)
                tell(system("clock"), row, Tag.ACCESS_END, why=state.value)
                closed += 1
    return closed


def close(row: Access, outcome: AccessState) -> None:
    at = now()
    row.ended_at, row.outcome = min(at, row.expires_at or at), outcome.value
    row.save(update_fields=["ended_at", "outcome"])


def _giver(actor: Actor, customer_id: UUID, permissions: frozenset[Permission]) -> UUID:
    """Returns who gives: a teammate of this customer who may let the operator in and holds all of `permissions`."""
    if actor.kind is not ActorKind.TEAMMATE:
        raise Refused("Only a teammate of the customer decides about the operator's access.")
    held = held_by(actor, customer_id) or frozenset()
    if Permission.SECURITY_SETTINGS not in held:
        raise Refused(f"This needs the permission “{Permission.SECURITY_SETTINGS.title}”.")
    rules.require_grantable(held, frozenset(), permissions)
    return UUID(actor.id)


def _open(actor: Actor, row: Access, giver: UUID, *, reason: bool = False) -> None:
    row.given_by, row.given_at = giver, now()
    row.expires_at = row.given_at + timedelta(minutes=row.minutes)
    row.save()
    tell(
        actor, row, Tag.ACCESS_GIVE, reason=reason, operator=str(row.operator_id), permissions=row.permissions,
        looks_only=row.looks_only, until=row.expires_at.isoformat(timespec="seconds"),
    )  # fmt: skip
    notify_deciders(row, Notice.OPERATOR_ENTERED, until=row.expires_at)
