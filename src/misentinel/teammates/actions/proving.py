"""Step-up: one who is signed in shows a factor again, before what could do lasting harm.

Recovery codes do not count here. They are for the day the authenticator is lost, and that day they open a new
session, which counts as proved like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, NotSignedIn, TooMany
from misentinel.teammates import passkeys, second_factor, throttle
from misentinel.teammates.contracts import Proof
from misentinel.teammates.models import SessionRecord, Teammate
from misentinel.teammates.passkeys import NotShown, Purpose
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag

_WRONG = "This code is not right, or was used already. Wait for the next one."
_NOT_TAKEN = "This passkey was not accepted. Try again, or confirm another way."
WAYS = ("authenticator", "passkey")


def begin_proof(teammate_id: UUID, bound_to: str) -> dict[str, Any]:
    """Returns what the browser asks a passkey for."""
    return passkeys.options_to_show(Purpose.STEP_UP, bound_to, _teammate(teammate_id))


def prove_again(actor: Actor, teammate_id: UUID, session_id: UUID, proof: Proof) -> int:
    """Marks the session as proved now and moves it to its next turn, which is returned: the old cookie is dead.

    Tries at codes count together with those of signing in; at a passkey there is nothing to guess. Raises `Invalid`
    for a wrong or spent answer, `TooMany` while throttled, `NotSignedIn` if the session is not the teammate's or is
    over.
    """
    teammate = _teammate(teammate_id)
    try:
        accept = _passkey(teammate, proof) if proof.way == "passkey" else _code(actor, teammate, proof)
        with transaction.atomic():
            mine = SessionRecord.objects.filter(id=session_id, teammate_id=teammate_id, ended_at=None)
            record = mine.select_for_update().first()
            if record is None:
                raise NotSignedIn("Sign in to go on.")
            accept()
            mine.update(proved_at=now(), turn=F("turn") + 1)
            record_control(
                actor, Tag.STEP_UP_SUCCEED, customer_id=teammate.customer_id, object_kind="session",
                object_id=session_id, details={"second_factor": proof.way},
            )  # fmt: skip
            return record.turn + 1
    except TooMany:
        _record_failure(actor, teammate, session_id, proof, "throttled")
        raise
    except NotShown as refused:
        _record_failure(actor, teammate, session_id, proof, refused.reason)
        raise Invalid(_NOT_TAKEN if proof.way == "passkey" else _WRONG) from None


def _code(actor: Actor, teammate: Teammate, proof: Proof) -> Callable[[], None]:
    """Writes the try down, and returns what uses up the code."""
    attempt = throttle.begin(teammate.email, actor.address)

    def accept() -> None:
        if proof.way != "authenticator" or not second_factor.accept_code(teammate, proof.answer):
            raise NotShown("wrong")
        throttle.succeed(attempt)

    return accept


def _passkey(teammate: Teammate, proof: Proof) -> Callable[[], None]:
    """Uses up the challenge, whatever follows, and returns what moves the counter."""
    shown = passkeys.check(Purpose.STEP_UP, proof.bound_to, proof.answer, teammate)
    return lambda: passkeys.use(shown)


def _teammate(teammate_id: UUID) -> Teammate:
    teammate = Teammate.objects.filter(id=teammate_id).first()
    if teammate is None:
        raise NotSignedIn("Sign in to go on.")
    return teammate


def _record_failure(actor: Actor, teammate: Teammate, session_id: UUID, proof: Proof, reason: str) -> None:
    way = proof.way if proof.way in WAYS else "unknown"
    record_control(
        actor, Tag.STEP_UP_FAIL, customer_id=teammate.customer_id, object_kind="session", object_id=session_id,
        outcome=Outcome.REFUSED, details={"reason": reason, "second_factor": way},
    )  # fmt: skip
