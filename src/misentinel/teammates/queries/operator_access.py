"""Which access the operator's staff have asked for, have, or had: for the customer, and for each of them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from misentinel.kernel.actor import OPERATOR_ID
from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import Permission, TeammateView
from misentinel.teammates.contracts.operators import AccessState, AccessView
from misentinel.teammates.models import Access, SessionRecord, Teammate
from misentinel.teammates.queries.holding import held_for_good, known_permissions
from misentinel.teammates.queries.limits import IDLE_LIMIT
from misentinel.teammates.queries.lists import list_teammates

_SHOWN = 100
_COMMAND_COUNTS = timedelta(minutes=5)


def list_accesses(customer_id: UUID) -> list[AccessView]:
    """Every access to the customer, the newest first."""
    return [view_access(row) for row in _rows().filter(customer_id=customer_id).order_by("-id")[:_SHOWN]]


def list_present(customer_id: UUID) -> list[AccessView]:
    """What the customer is told of on every page: questions that wait, whoever is inside, and live emergencies."""
    rows = _rows().filter(customer_id=customer_id, ended_at=None).order_by("id")
    found = [view_access(row) for row in rows]
    return [
        view for view in found
        if view.state is AccessState.ASKED or (view.state is AccessState.LIVE and (view.inside or view.emergency))
    ]  # fmt: skip


def get_access(customer_id: UUID, access_id: UUID) -> AccessView:
    """Raises `NotFound`, also for another customer's."""
    row = _rows().filter(customer_id=customer_id, id=access_id).first()
    if row is None:
        raise NotFound("There is no such access.")
    return view_access(row)


def list_own_accesses(operator_id: UUID, customer_id: UUID | None = None) -> list[AccessView]:
    """What one operator has asked for, has and had, the newest first."""
    rows = _rows().filter(operator_id=operator_id)
    if customer_id is not None:
        rows = rows.filter(customer_id=customer_id)
    return [view_access(row) for row in rows.order_by("-id")[:_SHOWN]]


def list_unconfirmed(operator_id: UUID) -> list[AccessView]:
    """Emergencies of other operators that wait for a second one."""
    rows = _rows().filter(emergency=True, given_at=None, ended_at=None).exclude(operator_id=operator_id)
    return [view for view in map(view_access, rows.order_by("id")) if view.state is AccessState.ASKED]


def find_live_access(access_id: UUID) -> AccessView | None:
    """Returns the access if it opens something at this moment."""
    row = _rows().filter(id=access_id).first()
    if row is None or row.state is not AccessState.LIVE or not row.operator.may_sign_in:
        return None
    return view_access(row)


def list_operators() -> list[TeammateView]:
    return list_teammates(OPERATOR_ID)


def has_had_administrator(customer_id: UUID) -> bool:
    """Says whether somebody of the customer's has ever enrolled who can manage its teammates: from then on the operator
    has no free hand there. Suspending them changes nothing about that.
    """
    enrolled = Teammate.objects.select_related("role").filter(customer_id=customer_id, enrolled_at__isnull=False)
    return any(Permission.TEAMMATES in held_for_good(row) for row in enrolled)


def view_access(row: Access) -> AccessView:
    state = row.state
    return AccessView(
        id=row.id, customer_id=row.customer_id, operator_id=row.operator_id, operator_name=row.operator.name,
        reason=row.reason, permissions=known_permissions(row.permissions), minutes=row.minutes,
        looks_only=row.looks_only, emergency=row.emergency, state=state, asked_at=row.asked_at, asked=row.asked,
        given_by=row.given_by, given_at=row.given_at, expires_at=row.expires_at,
        ended_at=row.ended_at or (row.expires_at if state is AccessState.EXPIRED else None),
        inside=state is AccessState.LIVE and (getattr(row, "entered", False) or _by_command(row)),
    )  # fmt: skip


def _rows() -> QuerySet[Access]:
    at = now()
    inside = SessionRecord.objects.filter(
        inside=OuterRef("pk"), ended_at=None, expires_at__gt=at, last_seen_at__gt=at - IDLE_LIMIT
    )
    return Access.objects.select_related("operator").annotate(entered=Exists(inside))


def _by_command(row: Access) -> bool:
    return row.command_line_at is not None and row.command_line_at > now() - _COMMAND_COUNTS
