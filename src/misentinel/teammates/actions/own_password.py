"""Changing one's own password: because one wants to, or because it became known to somebody else."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Invalid, NotSignedIn, TooMany
from misentinel.teammates import passwords, throttle
from misentinel.teammates.actions.sessions import revoke_other_sessions
from misentinel.teammates.actions.signing_in import record_failure
from misentinel.teammates.contracts import Notice
from misentinel.teammates.models import SessionRecord, Teammate
from misentinel.teammates.notices import notify
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


def change_password(actor: Actor, teammate_id: UUID, session_id: UUID, current: str, password: str) -> None:
    """Ends every other session too. Raises `Invalid` for a wrong or a poor password, `TooMany` while throttled."""
    teammate = Teammate.objects.get(id=teammate_id)
    try:
        attempt = throttle.begin(teammate.email, actor.address)
    except TooMany:
        record_failure(actor, teammate, step="password_change", reason="throttled")
        raise
    if not passwords.matches(teammate, current):
        record_failure(actor, teammate, step="password_change")
        raise Invalid("This is not your current password.")
    throttle.succeed(attempt)
    _set(actor, teammate_id, session_id, password, because="wanted")


def replace_compromised_password(actor: Actor, teammate_id: UUID, session_id: UUID, password: str) -> None:
    """Takes a new password from one who has just signed in with both factors, and lets them go on.

    Raises `Invalid` for a poor one or the same again, `NotSignedIn` where nothing asks for a new one.
    """
    teammate = Teammate.objects.get(id=teammate_id)
    if teammate.password_compromised_at is None:
        raise NotSignedIn("Sign in to go on.")
    if passwords.matches(teammate, password):
        raise Invalid("This is the password that somebody else may know. Choose a different one.")
    _set(actor, teammate_id, session_id, password, because="compromised")


def _set(actor: Actor, teammate_id: UUID, session_id: UUID, password: str, *, because: str) -> None:
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().get(id=teammate_id)
        if not SessionRecord.objects.filter(id=session_id, teammate=teammate, ended_at=None).exists():
            raise NotSignedIn("Sign in to go on.")
        teammate.password = passwords.digest(teammate, password)
        teammate.password_compromised_at = None
        teammate.save(update_fields=["password", "password_compromised_at"])
        revoke_other_sessions(actor, teammate_id, session_id)
        record_control(
            actor, Tag.PASSWORD_CHANGE, customer_id=teammate.customer_id, object_kind="teammate",
            object_id=teammate.id, details={"because": because},
        )  # fmt: skip
        notify(teammate, Notice.PASSWORD_CHANGED, address=actor.address)
