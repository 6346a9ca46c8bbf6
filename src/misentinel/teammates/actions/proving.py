"""Step-up: one who is signed in shows a factor again, before what could do lasting harm.

Recovery codes do not count here. They are for the day the authenticator is lost, and that day they open a new
session, which counts as proved like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import F

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, NotSignedIn, TooMany
from misentinel.teammates import second_factor, throttle
from misentinel.teammates.contracts import Proof
from misentinel.teammates.models import SessionRecord, Teammate
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag

WAYS: Mapping[str, Callable[[Teammate, str], bool]] = {"authenticator": second_factor.accept_code}
"""Each way to prove it again, with what uses up its answer."""


def prove_again(actor: Actor, teammate_id: UUID, session_id: UUID, proof: Proof) -> int:
    """Marks the session as proved now and moves it to its next turn, which is returned: the old cookie is dead.

    Tries count together with those of signing in. Raises `Invalid` for a wrong or spent answer, `TooMany` while
    throttled, `NotSignedIn` if the session is not the teammate's or is over.
    """
    teammate = Teammate.objects.filter(id=teammate_id).first()
    if teammate is None:
        raise NotSignedIn("Sign in to go on.")
    try:
        attempt = throttle.begin(teammate.email, actor.address)
    except TooMany:
        _record_failure(actor, teammate, session_id, proof, "throttled")
        raise
    with transaction.atomic():
        live = SessionRecord.objects.select_for_update().filter(id=session_id, teammate_id=teammate_id, ended_at=None)
        record = live.first()
        if record is None:
            raise NotSignedIn("Sign in to go on.")
        accept = WAYS.get(proof.way)
        if accept is not None and accept(teammate, proof.answer):
            throttle.succeed(attempt)
            live.update(proved_at=now(), turn=F("turn") + 1)
            record_control(
                actor, Tag.STEP_UP_SUCCEED, customer_id=teammate.customer_id, object_kind="session",
                object_id=session_id, details={"second_factor": proof.way},
            )  # fmt: skip
            return record.turn + 1
    _record_failure(actor, teammate, session_id, proof, "wrong")
    raise Invalid("This code is not right, or was used already. Wait for the next one.")


def _record_failure(actor: Actor, teammate: Teammate, session_id: UUID, proof: Proof, reason: str) -> None:
    way = proof.way if proof.way in WAYS else "unknown"
    record_control(
        actor, Tag.STEP_UP_FAIL, customer_id=teammate.customer_id, object_kind="session", object_id=session_id,
        outcome=Outcome.REFUSED, details={"reason": reason, "second_factor": way},
    )  # fmt: skip
