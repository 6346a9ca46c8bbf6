"""Browsers that a teammate has signed in with, known again by a long-lived cookie of random bits.

Not by address: addresses change and are shared. The value changes with each sign-in, the table keeps its digest only,
and whoever steals it gains nothing but that a notice is not sent.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import Notice, Session
from misentinel.teammates.models import Device, SessionRecord, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.principals import digest_of
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


def recognise_device(session: Session, shown: str) -> str:
    """Returns the next value of the browser's cookie. A browser that the teammate never used before is told to them,
    unless it is the first one of all."""
    fresh = secrets.token_urlsafe(32)
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().get(id=session.teammate_id)
        before, after = digest_of(shown), digest_of(fresh)
        known = bool(shown) and Device.objects.filter(teammate=teammate, digest=before).exists()
        if shown:  # whoever else signs in with this browser is known in it too
            Device.objects.filter(digest=before).update(digest=after)
        if known:
            Device.objects.filter(teammate=teammate, digest=after).update(label=session.device, last_seen_at=now())
            return fresh
        Device.objects.create(
            teammate=teammate, digest=after, label=session.device, first_seen_at=now(), last_seen_at=now()
        )
        if SessionRecord.objects.filter(teammate=teammate).exclude(id=session.id).exists():
            notify(
                teammate, Notice.NEW_DEVICE, device=session.device, place=session.place, address=session.address,
                link="/account/sessions",
            )  # fmt: skip
    return fresh


def forget_device(actor: Actor, teammate_id: UUID, device_id: UUID) -> None:
    """The next sign-in with it is a new device again. Raises `NotFound`, also for somebody else's."""
    with transaction.atomic():
        row = Device.objects.select_related("teammate").filter(id=device_id, teammate_id=teammate_id).first()
        if row is None:
            raise NotFound("There is no such device.")
        row.delete()
        record_control(
            actor, Tag.SESSION_REVOKE, customer_id=row.teammate.customer_id, object_kind="device", object_id=device_id,
            details={"teammate": str(teammate_id)},
        )  # fmt: skip
