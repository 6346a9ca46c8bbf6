"""How a request for a new way in ends: its owner signs in, somebody stops it, or a new factor is enrolled."""

from __future__ import annotations

from uuid import UUID

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.teammates.contracts import Notice
from misentinel.teammates.models import Enrolment, RecoveryRequest, Teammate
from misentinel.teammates.notices import notify
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


def locked_request(teammate: Teammate) -> RecoveryRequest | None:
    """Locks and returns the open request; None where there is none or its time is over."""
    found = RecoveryRequest.objects.select_for_update().filter(teammate=teammate, ended_at=None).first()
    return found if found is not None and found.expires_at > now() else None


def cancel_by_signing_in(actor: Actor, teammate: Teammate) -> None:
    """Whoever signs in has their factors, so an open request, or a link that waits, is not theirs or not needed."""
    Enrolment.objects.filter(teammate=teammate, ended_at=None, opens_at__isnull=False).update(
        ended_at=now(), pending_password="", pending_secret=""
    )
    open_request = locked_request(teammate)
    if open_request is not None:
        end(actor, open_request, Tag.RECOVERY_CANCEL, "cancelled", by="signing_in")


def complete(actor: Actor, teammate: Teammate, enrolment_id: UUID) -> None:
    """Ends an open request with the enrolment that it led to; any other enrolment makes it needless."""
    open_request = locked_request(teammate)
    if open_request is None:
        return
    if open_request.enrolment_id == enrolment_id:
        end(actor, open_request, Tag.RECOVERY_COMPLETE, "completed", told=False)
    else:
        end(actor, open_request, Tag.RECOVERY_CANCEL, "cancelled", by="enrolment")


def end(
    actor: Actor, request: RecoveryRequest, tag: Tag, outcome: str, *, told: bool = True, **details: object
) -> None:
    """Ends the locked request in the caller's transaction, and what it opened; tells its owner."""
    teammate = request.teammate
    request.ended_at, request.outcome = now(), outcome
    request.save(update_fields=["ended_at", "outcome"])
    if request.enrolment_id is not None:
        Enrolment.objects.filter(id=request.enrolment_id, ended_at=None).update(
            ended_at=now(), pending_password="", pending_secret=""
        )
    record_control(
        actor, tag, customer_id=teammate.customer_id, object_kind="teammate", object_id=teammate.id,
        details={"request": str(request.id), **details},
    )  # fmt: skip
    if told:
        notify(teammate, Notice.RECOVERY_REFUSED)
