"""Enrolling: link → password → authenticator or passkey. Everything takes effect at once, with the proof of the factor.

Until then the choices wait on the enrolment row (the seed sealed, the password as its digest) and the teammate can do
nothing new; whoever enrols afresh, after losing a phone, keeps the old factors until the new one is proved.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import compare_digest
from typing import Any
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, NotFound
from misentinel.teammates import passkeys, passwords, second_factor, throttle
from misentinel.teammates.actions.inviting import end_links
from misentinel.teammates.actions.recovery_ends import complete as complete_recovery
from misentinel.teammates.actions.sessions import end_all, open_session
from misentinel.teammates.contracts import Enrolled, Notice, Session
from misentinel.teammates.models import Enrolment, Passkey, Teammate
from misentinel.teammates.notice_texts import FACTOR_NAMES
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.lists import open_enrolments
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

_GONE = "This link was used, has expired, or was replaced. Ask an administrator for a new one."
NOT_MADE = "The passkey could not be made. Start it again; if that does not help, use an authenticator app."


def choose_password(actor: Actor, enrolment_id: UUID, password: str) -> None:
    """Keeps the password for the end of the enrolment and makes a seed. Raises `Invalid` for a poor password."""
    with transaction.atomic():
        row = _locked(enrolment_id)
        row.pending_password = passwords.digest(row.teammate, password)
        if not row.pending_secret:
            row.pending_secret = second_factor.seal_seed(second_factor.new_seed())
        row.save(update_fields=["pending_password", "pending_secret"])
        record_control(
            _as_teammate(actor, row), Tag.PASSWORD_CHANGE, customer_id=row.teammate.customer_id,
            object_kind="teammate", object_id=row.teammate_id, details={"pending": True},
        )  # fmt: skip


def totp_seed(enrolment_id: UUID) -> str:
    """Returns the seed to show to the one who enrols. Raises `NotFound` before a password or after the end."""
    return second_factor.open_seed(_ready(enrolment_id).pending_secret)


def passkey_options(enrolment_id: UUID, bound_to: str) -> dict[str, Any]:
    """Returns what the browser makes a passkey with. Raises `NotFound` before a password or after the end."""
    return passkeys.options_to_enrol(_ready(enrolment_id).teammate, bound_to)


def complete_enrolment(actor: Actor, enrolment_id: UUID, code: str, *, device: str) -> tuple[Enrolled, Session]:
    """Takes the first code: password, seed and ten recovery codes take effect, older factors and sessions end, a new
    session opens.

    Raises `Invalid` for a wrong code, `TooMany` while throttled, `NotFound` for a link that is over.
    """
    attempt = throttle.begin(f"enrolment:{enrolment_id}", actor.address)

    def install(row: Enrolment) -> None:
        seed = second_factor.open_seed(row.pending_secret)
        step = second_factor.matching_step(seed, code)
        if step is None:
            raise Invalid("This code is not right. Check the clock of your device and type the current code.")
        throttle.succeed(attempt)
        second_factor.replace_authenticator(row.teammate, seed)
        row.teammate.totp_counter = step

    return _complete(actor, enrolment_id, install, factor="totp", way="authenticator", device=device)


def complete_enrolment_with_passkey(
    actor: Actor, enrolment_id: UUID, bound_to: str, answer: str, name: str, *, device: str
) -> tuple[Enrolled, Session]:
    """Takes a new passkey instead of a first code. Raises `Invalid` if it cannot be verified, else as above."""
    try:
        made = passkeys.read_new(_ready(enrolment_id).teammate, bound_to, answer)
    except passkeys.NotShown:
        raise Invalid(NOT_MADE) from None

    def install(row: Enrolment) -> None:
        second_factor.remove_authenticator(row.teammate)
        passkeys.keep(row.teammate, made, name)

    return _complete(actor, enrolment_id, install, factor="passkey", way="passkey", device=device)


def _complete(
    actor: Actor, enrolment_id: UUID, install: Callable[[Enrolment], None], *, factor: str, way: str, device: str
) -> tuple[Enrolled, Session]:
    with transaction.atomic():
        row = _locked(enrolment_id)
        if not row.pending_password:
            raise NotFound(_GONE)
        teammate: Teammate = row.teammate
        Passkey.objects.filter(teammate=teammate).delete()
        install(row)
        acting = _as_teammate(actor, row)
        again = teammate.enrolled_at is not None
        # Who recovers a factor keeps their password, and its mark if somebody else may know it.
        if not compare_digest(teammate.password, row.pending_password):
            teammate.password, teammate.password_compromised_at = row.pending_password, None
        teammate.enrolled_at = now()
        teammate.save(update_fields=["password", "password_compromised_at", "enrolled_at", "totp_counter"])
        codes = second_factor.replace_recovery_codes(teammate)
        complete_recovery(acting, teammate, row.id)
        end_links(teammate)
        end_all(acting, teammate)
        for tag in (Tag.FACTOR_ENROL, Tag.ENROLMENT_COMPLETE):
            record_control(
                acting, tag, customer_id=teammate.customer_id, object_kind="teammate", object_id=teammate.id,
                details={"factor": factor} if tag is Tag.FACTOR_ENROL else {"recovery_codes": len(codes)},
            )  # fmt: skip
        if again:
            notify(teammate, Notice.PASSWORD_CHANGED, address=actor.address)
            notify(teammate, Notice.FACTOR_ADDED, factor=FACTOR_NAMES[factor], address=actor.address)
        session = open_session(acting, teammate, device=device, way=way)
    return Enrolled(teammate.id, codes), session


def _ready(enrolment_id: UUID) -> Enrolment:
    row = open_enrolments().filter(id=enrolment_id).exclude(pending_secret="").first()
    if row is None:
        raise NotFound(_GONE)
    return row


def _locked(enrolment_id: UUID) -> Enrolment:
    row = open_enrolments().select_for_update(of=("self", "teammate")).filter(id=enrolment_id).first()
    if row is None:
        raise NotFound(_GONE)
    return row


def _as_teammate(actor: Actor, row: Enrolment) -> Actor:
    """Whoever holds the link acts as the teammate it was made for, with the link as what they showed."""
    return Actor(row.teammate.actor_kind, str(row.teammate_id), f"enrolment:{row.id}", actor.address, actor.request_id)
