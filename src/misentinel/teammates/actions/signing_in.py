"""Signing in: password, then code. Answers are alike for names that exist and names that do not.

Both steps are throttled together and count as one account's tries: a right password clears nothing, so knowing
it does not buy more guesses at the code. Only the whole sign-in strikes the failures out.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import NotSignedIn, TooMany
from misentinel.teammates import passwords, second_factor, throttle
from misentinel.teammates.actions.compromise import by_corpus, mark
from misentinel.teammates.actions.sessions import open_session
from misentinel.teammates.contracts import Notice, Session
from misentinel.teammates.models import SignInFailure, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.connections import find_enforced, must_sign_on
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag

_WRONG_PASSWORD = "This e-mail address and password do not belong together."  # noqa: S105  told, not used
_SIGN_ON = (
    "This e-mail address and password do not belong together, or your company wants you to sign in through its own "
    "sign-in: use “Sign in with your company”."
)
_WRONG_CODE = "This code is not right, or was used already. Wait for the next one."


def check_password(actor: Actor, email: str, password: str) -> UUID:
    """Returns whose e-mail address and password these are. Raises `NotSignedIn`, or `TooMany` while throttled.

    Where a company has its people sign in through its identity provider, a right password is answered as a wrong one,
    and everybody of that domain is told the same, so that nothing tells who is there or who is exempt.
    """
    email = email.strip().casefold()
    teammate = Teammate.objects.filter(email=email).first()
    attempt = _begin(actor, teammate, email, step="password")
    correct = passwords.matches(teammate, password)
    wrong = _SIGN_ON if find_enforced(email) else _WRONG_PASSWORD
    if teammate is None or not correct:
        record_failure(actor, teammate, step="password")
        raise NotSignedIn(wrong)
    if must_sign_on(email, teammate.customer_id, teammate.id):
        record_failure(actor, teammate, step="password", reason="single_sign_on")
        raise NotSignedIn(wrong)
    leaked = passwords.known_to_have_leaked(password)
    with transaction.atomic():
        attempt.delete()
        if leaked:
            mark(by_corpus(), teammate, evidence="breach_corpus")
        record_control(
            _as(actor, teammate),
            Tag.SIGN_IN_PASSWORD,
            customer_id=teammate.customer_id,
            object_kind="teammate",
            object_id=teammate.id,
        )
    return teammate.id


def check_code(actor: Actor, teammate_id: UUID, code: str, *, device: str) -> Session:
    """Takes the code of the authenticator or a recovery code and opens a session.

    Raises `NotSignedIn` for a wrong or spent code, `TooMany` while throttled.
    """
    teammate = Teammate.objects.filter(id=teammate_id).first()
    if teammate is None or not teammate.may_sign_in:
        raise NotSignedIn("Sign in from the start.")
    attempt = _begin(actor, teammate, teammate.email, step="code")
    with transaction.atomic():
        way = _accepted(teammate, code)
        if way:
            throttle.succeed(attempt)
            if way == "recovery_code":
                left = second_factor.count_recovery_codes(teammate.id)
                record_control(
                    _as(actor, teammate), Tag.RECOVERY_CODE_USE, customer_id=teammate.customer_id,
                    details={"left": left}, object_kind="teammate", object_id=teammate.id,
                )  # fmt: skip
                notify(teammate, Notice.RECOVERY_CODE_USED, device=device, address=actor.address, left=left)
            return open_session(actor, teammate, device=device, way=way)
    record_failure(actor, teammate, step="code")
    raise NotSignedIn(_WRONG_CODE)


def _begin(actor: Actor, teammate: Teammate | None, email: str, *, step: str) -> SignInFailure:
    try:
        return throttle.begin(email, actor.address)
    except TooMany:
        record_failure(actor, teammate, step=step, reason="throttled")
        raise


def _accepted(teammate: Teammate, code: str) -> str:
    if second_factor.accept_code(teammate, code):
        return "authenticator"
    if second_factor.accept_recovery_code(teammate, code):
        return "recovery_code"
    return ""


def record_failure(actor: Actor, teammate: Teammate | None, *, step: str, reason: str = "wrong") -> None:
    """A known name's failures are on its customer's trail; of an unknown one only that it was unknown is kept."""
    if teammate is None:
        record_control(actor, Tag.SIGN_IN_FAIL, outcome=Outcome.REFUSED, details={"step": step, "reason": "unknown"})
        return
    if reason == "wrong" and not teammate.may_sign_in:
        reason = "suspended" if teammate.suspended_at else "not_enrolled"
    record_control(
        actor, Tag.SIGN_IN_FAIL, customer_id=teammate.customer_id, outcome=Outcome.REFUSED,
        details={"step": step, "reason": reason}, object_kind="teammate", object_id=teammate.id,
    )  # fmt: skip


def _as(actor: Actor, teammate: Teammate) -> Actor:
    return Actor(teammate.actor_kind, str(teammate.id), actor.credential, actor.address, actor.request_id)
