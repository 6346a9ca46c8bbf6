"""What a teammate may do: their role, single permissions, and what they were given for a time.

`held_now` decides requests. `held_for_good` leaves out what will expire, and decides what somebody can hand on and
whether a customer still has an administrator.
"""

from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from misentinel.kernel.clock import now
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import Grant, Teammate
from misentinel.teammates.roles import shipped_roles


def live_grants(teammate: str = "pk") -> ArraySubquery:
    """An annotation: the names of the permissions that the row's teammate holds for a time, now."""
    grants = Grant.objects.filter(teammate_id=OuterRef(teammate), ended_at=None, expires_at__gt=now())
    return ArraySubquery(grants.values("permission"))


def held_now(teammate: Teammate, grants: list[str] | None = None) -> frozenset[Permission]:
    """Returns everything that counts at this moment; `grants` where `live_grants` has fetched them already."""
    if grants is None:
        live = Grant.objects.filter(teammate=teammate, ended_at=None, expires_at__gt=now())
        grants = list(live.values_list("permission", flat=True))
    return held_for_good(teammate) | known_permissions(grants)


def held_for_good(teammate: Teammate) -> frozenset[Permission]:
    """Returns what no passing of time takes away: the role's and the single permissions."""
    return of_role(teammate) | known_permissions(teammate.permissions)


def of_role(teammate: Teammate) -> frozenset[Permission]:
    """Returns what the teammate's role gives; a shipped role that no longer exists gives nothing."""
    if teammate.role is not None:
        return known_permissions(teammate.role.permissions)
    shipped = shipped_roles().get(teammate.shipped_role)
    return shipped.permissions if shipped else frozenset()


def known_permissions(names: list[str]) -> frozenset[Permission]:
    """What is stored and no longer means anything grants nothing."""
    return frozenset(Permission(name) for name in names if name in _NAMES)


_NAMES = frozenset(permission.value for permission in Permission)
