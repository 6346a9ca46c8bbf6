"""Enrolling: link → password → authenticator. Everything takes effect at once, with the first right code.

Until then the choices wait on the enrolment row (the seed sealed, the password as argon2id) and the teammate can do
nothing new; whoever enrols afresh, after losing a phone, keeps the old factors until the new ones are proved.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, NotFound
from misentinel.teammates import passwords, second_factor, throttle
from misentinel.teammates.actions.inviting import end_links
from misentinel.teammates.actions.sessions import end_all, open_session
from misentinel.teammates.contracts import Enrolled, Session
from misentinel.teammates.models import Enrolment
from misentinel.teammates.queries.lists import open_enrolments
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

_GONE = "This link was used, has expired, or was replaced. Ask an administrator for a new one."


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
    row = open_enrolments().filter(id=enrolment_id).exclude(pending_secret="").first()
    if row is None:
        raise NotFound(_GONE)
    return second_factor.open_seed(row.pending_secret)


def complete_enrolment(actor: Actor, enrolment_id: UUID, code: str, *, device: str) -> tuple[Enrolled, Session]:
    """Takes the first code: password, seed and ten recovery codes take effect, older sessions end, a new one opens.

    Raises `Invalid` for a wrong code, `TooMany` while throttled, `NotFound` for a link that is over.
    """
    attempt = throttle.begin(f"enrolment:{enrolment_id}", actor.address)
    with transaction.atomic():
        row = _locked(enrolment_id)
        if not row.pending_password:
            raise NotFound(_GONE)
        teammate, seed = row.teammate, second_factor.open_seed(row.pending_secret)
        step = second_factor.matching_step(seed, code)
        if step is None:
            raise Invalid("This code is not right. Check the clock of your device and type the current code.")
        acting = _as_teammate(actor, row)
        throttle.succeed(attempt)
        teammate.password = row.pending_password
        teammate.enrolled_at = now()
        teammate.totp_counter = step
        teammate.save(update_fields=["password", "enrolled_at", "totp_counter"])
        second_factor.replace_authenticator(teammate, seed)
        codes = second_factor.replace_recovery_codes(teammate)
        end_links(teammate)
        end_all(acting, teammate)
        for tag in (Tag.FACTOR_ENROL, Tag.ENROLMENT_COMPLETE):
            record_control(
                acting, tag, customer_id=teammate.customer_id, object_kind="teammate", object_id=teammate.id,
                details={"factor": "totp"} if tag is Tag.FACTOR_ENROL else {"recovery_codes": len(codes)},
            )  # fmt: skip
        session = open_session(acting, teammate, device=device, way="authenticator")
    return Enrolled(teammate.id, codes), session


def _locked(enrolment_id: UUID) -> Enrolment:
    row = open_enrolments().select_for_update(of=("self", "teammate")).filter(id=enrolment_id).first()
    if row is None:
        raise NotFound(_GONE)
    return row


def _as_teammate(actor: Actor, row: Enrolment) -> Actor:
    """Whoever holds the link acts as the teammate it was made for, with the link as what they showed."""
    return Actor(ActorKind.TEAMMATE, str(row.teammate_id), f"enrolment:{row.id}", actor.address, actor.request_id)
