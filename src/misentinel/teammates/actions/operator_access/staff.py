"""The operator's own staff: made and shut out at the command line only, and holding nothing at any customer."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import COMMAND_LINE, OPERATOR_ID, Actor
from misentinel.kernel.errors import Refused
from misentinel.teammates.actions.inviting import (
    invite_teammate,
    reinstate_teammate,
    renew_enrolment,
    suspend_teammate,
)
from misentinel.teammates.actions.operator_access.giving import close
from misentinel.teammates.actions.operator_access.rows import tell
from misentinel.teammates.contracts import OneTimeLink
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import Access
from misentinel.trail.contracts import Tag


def invite_operator(actor: Actor, *, email: str, name: str) -> OneTimeLink:
    """Adds somebody to the staff and returns the one-time link with which they enrol."""
    _require_command_line(actor)
    return invite_teammate(actor, OPERATOR_ID, email=email, name=name, permissions=())


def renew_operator_link(actor: Actor, staff_id: UUID) -> OneTimeLink:
    """Returns a fresh one-time link for somebody of the staff."""
    _require_command_line(actor)
    return renew_enrolment(actor, OPERATOR_ID, staff_id)


def suspend_operator(actor: Actor, staff_id: UUID) -> int:
    """Shuts somebody out, and ends every question and access of theirs. Returns how many those were."""
    _require_command_line(actor)
    with transaction.atomic():
        suspend_teammate(actor, OPERATOR_ID, staff_id)
        rows = list(Access.objects.select_for_update(of=("self",)).filter(operator_id=staff_id, ended_at=None))
        for row in rows:
            close(row, AccessState.WITHDRAWN)
            tell(actor, row, Tag.ACCESS_END, why="operator suspended")
    return len(rows)


def reinstate_operator(actor: Actor, staff_id: UUID) -> None:
    """Lets a suspended member of the staff sign in again. What they had at customers stays ended."""
    _require_command_line(actor)
    reinstate_teammate(actor, OPERATOR_ID, staff_id)


def _require_command_line(actor: Actor) -> None:
    if actor.credential != COMMAND_LINE:
        raise Refused("The operator's staff are looked after at the command line: `misentinel operator`.")
