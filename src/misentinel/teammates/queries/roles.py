"""Roles as contracts: the shipped ones, then a customer's own."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count

from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import RoleView
from misentinel.teammates.models import Role, Teammate
from misentinel.teammates.queries.holding import known_permissions
from misentinel.teammates.roles import shipped_roles


def list_roles(customer_id: UUID) -> list[RoleView]:
    """Returns every role that a teammate of this customer can have, with how many have it."""
    counted = Teammate.objects.filter(customer_id=customer_id).exclude(shipped_role="")
    holders = dict(counted.values_list("shipped_role").annotate(Count("id")))
    own = Role.objects.filter(customer_id=customer_id).annotate(holders=Count("teammates")).order_by("title")
    return [_shipped(role, holders.get(role.id, 0)) for role in shipped_roles().values()] + [_own(row) for row in own]


def get_role(customer_id: UUID, role_id: str) -> RoleView:
    """Raises `NotFound`, also for another customer's."""
    for role in list_roles(customer_id):
        if role.id == role_id:
            return role
    raise NotFound("There is no such role.")


def find_role(customer_id: UUID, name: str) -> RoleView:
    """Returns the role with this id or title. Raises `NotFound`, naming those there are."""
    roles = list_roles(customer_id)
    for role in roles:
        if name in (role.id, role.title):
            return role
    raise NotFound(f"There is no role {name!r}. There are: {', '.join(role.id for role in roles)}.")


def role_of(teammate: Teammate) -> RoleView | None:
    if teammate.role is not None:
        return _own(teammate.role)
    return shipped_roles().get(teammate.shipped_role)


def _own(row: Role) -> RoleView:
    return RoleView(
        str(row.id), row.title, row.about, known_permissions(row.permissions), holders=getattr(row, "holders", 0)
    )


def _shipped(role: RoleView, holders: int) -> RoleView:
    return RoleView(role.id, role.title, role.about, role.permissions, shipped=True, holders=holders)
