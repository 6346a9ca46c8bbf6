"""Entering a customer and leaving it. Which access a session sits in is a row of ours, nothing a browser says."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Conflict, NotFound
from misentinel.teammates.actions.operator_access.rows import locked, staff, tell
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import SessionRecord
from misentinel.trail.contracts import Tag


def enter(actor: Actor, access_id: UUID) -> int:
    """Takes the operator's session inside and to its next turn, which is returned: the old cookie is dead.

    Raises `NotFound` for somebody else's access, `Conflict` for one that is not live.
    """
    operator = staff(actor)
    with transaction.atomic():
        row = locked(access_id, operator=operator)
        if row.state is not AccessState.LIVE:
            raise Conflict("This access is not open: it was not given, or is over. Ask again if you need it.")
        session = _session(actor)
        _leave(actor, session)
        session.inside = row
        _turn(session)
        tell(actor, row, Tag.ACCESS_ENTER)
    return session.turn


def leave(actor: Actor) -> int:
    """Takes the operator's session out, if it is inside, and to its next turn, which is returned."""
    staff(actor)
    with transaction.atomic():
        session = _session(actor)
        _leave(actor, session)
        _turn(session)
    return session.turn


def _turn(session: SessionRecord) -> None:
    session.turn += 1
    session.save(update_fields=["inside", "turn"])


def _session(actor: Actor) -> SessionRecord:
    rows = SessionRecord.objects.select_for_update(of=("self",)).select_related("inside")
    found = rows.filter(id=UUID(actor.credential), teammate_id=actor.id, ended_at=None).first()
    if found is None:
        raise NotFound("There is no such session.")
    return found


def _leave(actor: Actor, session: SessionRecord) -> None:
    if session.inside is not None:
        tell(actor, session.inside, Tag.ACCESS_LEAVE)
        session.inside = None
