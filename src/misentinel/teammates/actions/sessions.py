"""Sessions: opened by a whole sign-in, ended by their owner, by an administrator, or by time."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.teammates.actions.recovery_ends import cancel_by_signing_in
from misentinel.teammates.contracts import Session
from misentinel.teammates.models import SessionRecord, Teammate
from misentinel.teammates.queries.limits import ABSOLUTE_LIMIT
from misentinel.teammates.queries.lists import view_session
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


def open_session(actor: Actor, teammate: Teammate, *, device: str, way: str) -> Session:
    """Opens a session in the caller's transaction, for one who has just shown both factors."""
    cancel_by_signing_in(actor, teammate)
    row = SessionRecord.objects.create(
        teammate=teammate,
        device=device[:120],
        address=actor.address,
        started_at=now(),
        last_seen_at=now(),
        expires_at=now() + ABSOLUTE_LIMIT,
        proved_at=now(),
    )
    signed_in = Actor(teammate.actor_kind, str(teammate.id), str(row.id), actor.address, actor.request_id)
    record_control(
        signed_in, Tag.SIGN_IN_SUCCEED, customer_id=teammate.customer_id,
        object_kind="session", object_id=row.id, details={"second_factor": way},
    )  # fmt: skip
    return view_session(row)


def sign_out(actor: Actor, customer_id: UUID, session_id: UUID) -> None:
    with transaction.atomic():
        SessionRecord.objects.filter(id=session_id, ended_at=None).update(ended_at=now())
        record_control(actor, Tag.SIGN_OUT, customer_id=customer_id, object_kind="session", object_id=session_id)


def revoke_session(actor: Actor, teammate_id: UUID, session_id: UUID) -> None:
    """Ends one of the teammate's sessions. Raises `NotFound`, also for someone else's."""
    with transaction.atomic():
        row = SessionRecord.objects.filter(id=session_id, teammate_id=teammate_id, ended_at=None).first()
        if row is None:
            raise NotFound("There is no such session.")
        _end(actor, row.teammate, [row])


def revoke_other_sessions(actor: Actor, teammate_id: UUID, keep: UUID) -> int:
    """Ends all of the teammate's sessions but `keep`; returns how many."""
    with transaction.atomic():
        rows = list(_live(teammate_id).exclude(id=keep))
        return _end(actor, rows[0].teammate, rows) if rows else 0


def revoke_sessions(actor: Actor, customer_id: UUID, teammate_id: UUID) -> int:
    """An administrator ends all sessions of a teammate of the same customer; returns how many."""
    with transaction.atomic():
        teammate = Teammate.objects.filter(id=teammate_id, customer_id=customer_id).first()
        if teammate is None:
            raise NotFound("There is no such teammate.")
        return _end(actor, teammate, list(_live(teammate_id)))


def end_all(actor: Actor, teammate: Teammate) -> int:
    """Ends every session of `teammate` in the caller's transaction."""
    return _end(actor, teammate, list(_live(teammate.id)))


def _live(teammate_id: UUID) -> QuerySet[SessionRecord]:
    return SessionRecord.objects.select_related("teammate").filter(teammate_id=teammate_id, ended_at=None)


def _end(actor: Actor, teammate: Teammate, rows: list[SessionRecord]) -> int:
    for row in rows:
        SessionRecord.objects.filter(pk=row.pk).update(ended_at=now())
        record_control(
            actor, Tag.SESSION_REVOKE, customer_id=teammate.customer_id,
            object_kind="session", object_id=row.id, details={"teammate": str(teammate.id)},
        )  # fmt: skip
    return len(rows)
