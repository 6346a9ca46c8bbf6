"""What a teammate may do: a role, single permissions, and permissions for a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.teammates import rules
from misentinel.teammates.actions.inviting import end_links, held_by, locked, put_into_role, require_administrator
from misentinel.teammates.contracts import Notice, Permission, TeammateView
from misentinel.teammates.models import Grant, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.holding import held_for_good, held_now
from misentinel.teammates.queries.lists import get_teammate
from misentinel.teammates.queries.roles import role_of
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

LONGEST_GRANT = timedelta(days=90)


def set_permissions(
    actor: Actor, customer_id: UUID, teammate_id: UUID, permissions: Iterable[Permission], *, role: str | None = None
) -> TeammateView:
    """Sets the teammate's single permissions, and their role unless `role` is None ("" is none), from their next
    request on.

    Raises `Refused` for granting what the actor does not hold for good, `NotFound` for a role, `Conflict` if no full
    administrator would be left.
    """
    single = frozenset(permissions)
    with transaction.atomic():
        teammate = locked(customer_id, teammate_id)
        held, before, role_before = held_by(actor, customer_id), held_for_good(teammate), role_of(teammate)
        changed = Teammate(customer_id=customer_id, permissions=sorted(single))
        put_into_role(changed, (role_before.id if role_before else "") if role is None else role)
        after = held_for_good(changed) | single
        rules.require_grantable(held, before, after)
        require_administrator(teammate, after)
        teammate.permissions, teammate.role = changed.permissions, changed.role
        teammate.shipped_role = changed.shipped_role
        teammate.save(update_fields=["permissions", "role", "shipped_role"])
        if after - before:
            end_links(teammate)  # whoever made one might not hold what it leads to now
        role_after = role_of(teammate)
        record_control(
            actor, Tag.TEAMMATE_PERMIT, customer_id=customer_id, object_kind="teammate", object_id=teammate.id,
            details={
                "granted": sorted(after - before), "withdrawn": sorted(before - after),
                "role_before": role_before.id if role_before else "", "role": role_after.id if role_after else "",
            },
        )  # fmt: skip
        if after != before:
            notify(teammate, Notice.PERMISSIONS_CHANGED)
    return get_teammate(customer_id, teammate_id)


def grant_permission(
    actor: Actor, customer_id: UUID, teammate_id: UUID, permission: Permission, *, until: datetime, reason: str
) -> UUID:
    """Gives one permission until `until`, at most `LONGEST_GRANT` from now. Returns the grant's id.

    Raises `Invalid` for the time or a missing reason, `Refused` for what the actor does not hold for good,
    `Conflict` where the teammate holds it already.
    """
    reason = " ".join(reason.split())
    if not reason or len(reason) > 200 or not reason.isprintable():
        raise Invalid("Say in 1 to 200 characters what the permission is needed for.")
    if not now() < until <= now() + LONGEST_GRANT:
        raise Invalid(f"A permission for a time ends within {LONGEST_GRANT.days} days. Give a lasting one instead.")
    with transaction.atomic():
        teammate = locked(customer_id, teammate_id)
        rules.require_grantable(held_by(actor, customer_id), frozenset(), frozenset({permission}))
        if permission in held_now(teammate):
            raise Conflict(f"This teammate holds “{permission.title}” already.")
        grant = Grant.objects.create(
            teammate=teammate, permission=permission.value, reason=reason, given_by=actor.id, given_at=now(),
            expires_at=until,
        )  # fmt: skip
        end_links(teammate)
        record_control(
            actor, Tag.TEAMMATE_GRANT, customer_id=customer_id, object_kind="teammate", object_id=teammate.id,
            details={"grant": str(grant.id), "permission": permission.value, "until": until.isoformat()},
            after={"reason": reason},
        )  # fmt: skip
        notify(teammate, Notice.PERMISSIONS_CHANGED)
    return grant.id


def end_grant(actor: Actor, customer_id: UUID, teammate_id: UUID, grant_id: UUID) -> None:
    """Takes a permission for a time away, from the next request on. Raises `NotFound`, also for one that ended."""
    with transaction.atomic():
        teammate = locked(customer_id, teammate_id)
        ended = Grant.objects.filter(id=grant_id, teammate=teammate, ended_at=None, expires_at__gt=now())
        if not ended.update(ended_at=now()):
            raise NotFound("There is no such permission to take away.")
        _record_end(actor, teammate, grant_id, "taken away")
        notify(teammate, Notice.PERMISSIONS_CHANGED)


def end_expired_grants(actor: Actor) -> int:
    """Writes down which grants have run out since it last looked; they stopped counting at their time. Returns how
    many.
    """
    with transaction.atomic():
        over = Grant.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            ended_at=None, expires_at__lte=now()
        )
        rows = list(over.select_related("teammate"))
        for row in rows:
            Grant.objects.filter(pk=row.pk).update(ended_at=row.expires_at)
            _record_end(actor, row.teammate, row.id, "expired")
    return len(rows)


def _record_end(actor: Actor, teammate: Teammate, grant_id: UUID, why: str) -> None:
    record_control(
        actor, Tag.TEAMMATE_GRANT_END, customer_id=teammate.customer_id, object_kind="teammate",
        object_id=teammate.id, details={"grant": str(grant_id), "why": why},
    )  # fmt: skip
