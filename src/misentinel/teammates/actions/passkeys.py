"""Signing in with a passkey: as the second factor after a password, or as all there is.

Where a company has its people sign in through its identity provider, a passkey does not stand in for that.
Nothing here is throttled: there is nothing to guess, so whoever is held up by somebody else's guesses at their
password still gets in with a passkey.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import NotSignedIn
from misentinel.teammates import passkeys
from misentinel.teammates.actions.sessions import open_session
from misentinel.teammates.actions.signing_in import record_failure
from misentinel.teammates.contracts import Session
from misentinel.teammates.models import Teammate
from misentinel.teammates.passkeys import Purpose
from misentinel.teammates.queries.connections import must_sign_on

_NOT_TAKEN = "This passkey was not accepted. Try again, or sign in another way."


def begin_with_passkey(bound_to: str, teammate_id: UUID | None = None) -> dict[str, Any]:
    """Returns what the browser asks for: one of the teammate's passkeys after a password, else any it has."""
    if teammate_id is None:
        return passkeys.options_to_show(Purpose.SIGN_IN, bound_to, None)
    return passkeys.options_to_show(Purpose.SECOND_FACTOR, bound_to, _half_way(teammate_id))


def check_passkey(actor: Actor, bound_to: str, answer: str, *, device: str, teammate_id: UUID | None = None) -> Session:
    """Opens a session for whoever signed the challenge; with `teammate_id`, for that teammate alone.

    Raises `NotSignedIn`, alike for every reason; the trail tells which.
    """
    teammate = _half_way(teammate_id) if teammate_id is not None else None
    purpose = Purpose.SIGN_IN if teammate is None else Purpose.SECOND_FACTOR
    try:
        shown = passkeys.check(purpose, bound_to, answer, teammate)
        whose: Teammate = shown.passkey.teammate
        if not whose.may_sign_in:
            raise passkeys.NotShown("suspended" if whose.suspended_at else "not_enrolled", shown.passkey)
        if teammate is None and must_sign_on(whose.email, whose.customer_id, whose.id):
            raise passkeys.NotShown("single_sign_on", shown.passkey)
        with transaction.atomic():
            passkeys.use(shown)
            way = "passkey" if teammate is None else "password_and_passkey"
            return open_session(actor, whose, device=device, way=way)
    except passkeys.NotShown as refused:
        known = teammate or (refused.passkey.teammate if refused.passkey else None)
        record_failure(actor, known, step="passkey", reason=refused.reason)
        raise NotSignedIn(_NOT_TAKEN) from None


def _half_way(teammate_id: UUID) -> Teammate:
    teammate = Teammate.objects.filter(id=teammate_id).first()
    if teammate is None or not teammate.may_sign_in:
        raise NotSignedIn("Sign in from the start.")
    return teammate
