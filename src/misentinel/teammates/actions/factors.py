"""A teammate's own factors: adding, naming and removing them, and new recovery codes. The last factor stays."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.teammates import passkeys, second_factor, throttle
from misentinel.teammates.actions.enrolling import NOT_MADE
from misentinel.teammates.contracts import Notice
from misentinel.teammates.models import Passkey, Teammate
from misentinel.teammates.notice_texts import FACTOR_NAMES
from misentinel.teammates.notices import notify
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag

_NOTICES = {Tag.FACTOR_ENROL: Notice.FACTOR_ADDED, Tag.FACTOR_REMOVE: Notice.FACTOR_REMOVED}


def begin_passkey(teammate_id: UUID, bound_to: str) -> dict[str, Any]:
    """Returns what the browser makes a passkey with."""
    return passkeys.options_to_enrol(Teammate.objects.get(id=teammate_id), bound_to)


def add_passkey(actor: Actor, teammate_id: UUID, bound_to: str, answer: str, name: str) -> UUID:
    """Adds the passkey that was just made. Raises `Invalid` if it cannot be verified, `Conflict` if it is in use."""
    name = passkeys.clean_name(name)
    try:
        made = passkeys.read_new(Teammate.objects.get(id=teammate_id), bound_to, answer)
    except passkeys.NotShown as refused:
        _record_refusal(actor, Teammate.objects.get(id=teammate_id), refused.reason)
        raise Invalid(NOT_MADE) from None
    with transaction.atomic():
        teammate = _locked(teammate_id)
        kept = passkeys.keep(teammate, made, name)
        _record(actor, teammate, Tag.FACTOR_ENROL, factor="passkey", passkey=str(kept.id))
    return kept.id


def rename_passkey(actor: Actor, teammate_id: UUID, passkey_id: UUID, name: str) -> None:
    """Raises `NotFound`, also for somebody else's, and `Invalid` for a name that lists could not show."""
    name = passkeys.clean_name(name)
    with transaction.atomic():
        teammate = _locked(teammate_id)
        if not Passkey.objects.filter(id=passkey_id, teammate=teammate).update(name=name):
            raise NotFound("There is no such passkey.")
        _record(actor, teammate, Tag.FACTOR_EDIT, factor="passkey", passkey=str(passkey_id))


def remove_passkey(actor: Actor, teammate_id: UUID, passkey_id: UUID) -> None:
    """Raises `NotFound`, also for somebody else's, and `Conflict` for the last factor."""
    with transaction.atomic():
        teammate = _locked(teammate_id)
        found = Passkey.objects.filter(id=passkey_id, teammate=teammate)
        if not found.exists():
            raise NotFound("There is no such passkey.")
        _require_another(teammate)
        found.delete()
        _record(actor, teammate, Tag.FACTOR_REMOVE, factor="passkey", passkey=str(passkey_id))


def replace_authenticator(actor: Actor, teammate_id: UUID, seed: str, code: str) -> None:
    """Connects an authenticator, in place of an earlier one. Raises `Invalid` for a wrong code, `TooMany`."""
    attempt = throttle.begin(f"authenticator:{teammate_id}", actor.address)
    with transaction.atomic():
        teammate = _locked(teammate_id)
        step = second_factor.matching_step(seed, code)
        if step is None:
            raise Invalid("This code is not right. Check the clock of your device and type the current code.")
        throttle.succeed(attempt)
        second_factor.replace_authenticator(teammate, seed)
        teammate.totp_counter = step
        teammate.save(update_fields=["totp_counter"])
        _record(actor, teammate, Tag.FACTOR_ENROL, factor="totp")


def remove_authenticator(actor: Actor, teammate_id: UUID) -> None:
    """Raises `NotFound` if there is none, `Conflict` if it is the last factor."""
    with transaction.atomic():
        teammate = _locked(teammate_id)
        if second_factor.find_authenticator(teammate_id) is None:
            raise NotFound("There is no authenticator.")
        _require_another(teammate)
        second_factor.remove_authenticator(teammate)
        _record(actor, teammate, Tag.FACTOR_REMOVE, factor="totp")


def renew_recovery_codes(actor: Actor, teammate_id: UUID) -> list[str]:
    """Returns ten new codes, readable only in this answer; the earlier ones are gone."""
    with transaction.atomic():
        teammate = _locked(teammate_id)
        codes = second_factor.replace_recovery_codes(teammate)
        _record(actor, teammate, Tag.RECOVERY_CODES_RENEW, recovery_codes=len(codes))
    return codes


def _locked(teammate_id: UUID) -> Teammate:
    """Locks the teammate, so that two removals at once cannot take the last two factors."""
    return Teammate.objects.select_for_update().get(id=teammate_id)


def _require_another(teammate: Teammate) -> None:
    if second_factor.count_factors(teammate.pk) < 2:
        raise Conflict("This is your last second factor. Add another one first.")


def _record(actor: Actor, teammate: Teammate, tag: Tag, **details: object) -> None:
    record_control(
        actor, tag, customer_id=teammate.customer_id, object_kind="teammate", object_id=teammate.id, details=details
    )
    if tag is Tag.RECOVERY_CODES_RENEW:
        notify(teammate, Notice.RECOVERY_CODES_RENEWED, address=actor.address)
    elif tag in _NOTICES:
        notify(teammate, _NOTICES[tag], factor=FACTOR_NAMES[str(details["factor"])], address=actor.address)


def _record_refusal(actor: Actor, teammate: Teammate, reason: str) -> None:
    record_control(
        actor, Tag.FACTOR_ENROL, customer_id=teammate.customer_id, outcome=Outcome.REFUSED, object_kind="teammate",
        object_id=teammate.id, details={"factor": "passkey", "reason": reason},
    )  # fmt: skip
