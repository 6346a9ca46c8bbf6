"""One's own name and e-mail address.

A new address counts once a link that was sent to it was opened, so a typing error or a stolen session cannot take an
account away in silence. The old address gets a link that takes the change back for seven days.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, TooMany
from misentinel.teammates.actions.inviting import clean_email, clean_name
from misentinel.teammates.actions.sessions import end_all
from misentinel.teammates.contracts import Notice
from misentinel.teammates.models import EmailChange, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.own_account import confirmable, revertible
from misentinel.teammates.queries.principals import digest_of
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

CONFIRM_WITHIN = timedelta(hours=1)
UNDO_WITHIN = timedelta(days=7)
_ASKS_AN_HOUR = 5
_GONE = "This link was used, has expired, or was replaced."
_TAKEN = "This e-mail address belongs to a teammate already."


def change_name(actor: Actor, customer_id: UUID, teammate_id: UUID, name: str) -> None:
    """Raises `Invalid`."""
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().get(id=teammate_id, customer_id=customer_id)
        before, teammate.name = teammate.name, clean_name(name)
        teammate.save(update_fields=["name"])
        record_control(
            actor, Tag.TEAMMATE_EDIT, customer_id=customer_id, object_kind="teammate", object_id=teammate_id,
            details={"fields": ["name"]}, before={"name": before}, after={"name": teammate.name},
        )  # fmt: skip


def ask_email_change(actor: Actor, customer_id: UUID, teammate_id: UUID, email: str) -> None:
    """Sends a link to the new address; an earlier one that was not opened ends. Says nothing of whose it may be.

    Raises `Invalid`, or `TooMany` after five in an hour.
    """
    email = clean_email(email)
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().get(id=teammate_id, customer_id=customer_id)
        if email == teammate.email:
            raise Invalid("This is your address already.")
        asked = EmailChange.objects.filter(teammate=teammate, asked_at__gt=now() - timedelta(hours=1))
        if asked.count() >= _ASKS_AN_HOUR:
            raise TooMany("Too many tries. Wait an hour and try again.", retry_after=3600)
        EmailChange.objects.filter(teammate=teammate, confirmed_at=None, ended_at=None).update(ended_at=now())
        token = secrets.token_urlsafe(32)
        EmailChange.objects.create(
            teammate=teammate, before=teammate.email, after=email, confirm_digest=digest_of(token),
            asked_at=now(), expires_at=now() + CONFIRM_WITHIN,
        )  # fmt: skip
        notify(teammate, Notice.EMAIL_CONFIRM, to=email, link=f"/account/email/confirm/{token}")
        _record(actor, teammate, "asked", after={"email": email})


def confirm_email_change(actor: Actor, token: str) -> None:
    """The new address counts from now on, and both addresses are told. Raises `NotFound`, or `Conflict` if somebody
    else has it."""
    with transaction.atomic():
        row = confirmable(token).select_for_update(of=("self", "teammate")).first()
        if row is None or not row.teammate.may_sign_in:
            raise NotFound(_GONE)
        teammate, undo = row.teammate, secrets.token_urlsafe(32)
        row.before = teammate.email
        _set_email(teammate, row.after)
        row.confirmed_at, row.expires_at, row.undo_digest = now(), now() + UNDO_WITHIN, digest_of(undo)
        row.save(update_fields=["before", "confirmed_at", "expires_at", "undo_digest"])
        notify(teammate, Notice.EMAIL_CHANGED, to=row.before, address=actor.address, link=f"/account/email/undo/{undo}")
        notify(teammate, Notice.EMAIL_SET, to=row.after)
        _record(actor, teammate, "confirmed", before={"email": row.before}, after={"email": row.after})


def undo_email_change(actor: Actor, token: str) -> None:
    """“This was not me”: the old address returns, every session and every other change ends. Raises `NotFound`, or
    `Conflict` if somebody else has the address meanwhile."""
    with transaction.atomic():
        row = revertible(token).select_for_update(of=("self", "teammate")).first()
        if row is None:
            raise NotFound(_GONE)
        teammate, wrong = row.teammate, row.teammate.email
        _set_email(teammate, row.before)
        EmailChange.objects.filter(teammate=teammate, ended_at=None).update(ended_at=now())
        end_all(_as(actor, teammate), teammate)
        notify(teammate, Notice.EMAIL_SET, to=row.before)
        _record(actor, teammate, "undone", before={"email": wrong}, after={"email": row.before})


def _set_email(teammate: Teammate, email: str) -> None:
    teammate.email = email
    try:
        with transaction.atomic():
            teammate.save(update_fields=["email"])
    except IntegrityError:
        raise Conflict(_TAKEN) from None


def _record(
    actor: Actor, teammate: Teammate, step: str, *, before: dict[str, str] | None = None, after: dict[str, str]
) -> None:
    record_control(
        _as(actor, teammate), Tag.EMAIL_CHANGE, customer_id=teammate.customer_id, object_kind="teammate",
        object_id=teammate.id, details={"step": step}, before=before, after=after,
    )  # fmt: skip


def _as(actor: Actor, teammate: Teammate) -> Actor:
    """Whoever holds one of the links acts as the teammate it was made for."""
    if actor.kind is ActorKind.TEAMMATE:
        return actor
    return Actor(ActorKind.TEAMMATE, str(teammate.id), "e-mail link", actor.address, actor.request_id)
