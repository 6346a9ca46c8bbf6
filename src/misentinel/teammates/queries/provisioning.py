"""Teammates and groups as a company's directory sees them: its own customer's, in its own connection's domains."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import CredentialView
from misentinel.teammates.models import Connection, Credential, DirectoryGroup, Provisioned, Teammate
from misentinel.teammates.queries.lists import view_credential


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    id: UUID
    email: str
    name: str
    external_id: str
    active: bool
    groups: tuple[tuple[UUID, str], ...]
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class GroupView:
    id: UUID
    name: str
    external_id: str
    role: str
    members: tuple[tuple[UUID, str], ...]
    created_at: datetime
    changed_at: datetime


def visible(connection: Connection) -> QuerySet[Teammate]:
    """The teammates that the connection's directory reaches, but for those whom it deleted."""
    domains = Q(pk=None)
    for one in connection.listed.all():
        domains |= Q(email__endswith=f"@{one.domain}")
    gone = Provisioned.objects.filter(withdrawn_at__isnull=False).values("teammate_id")
    return Teammate.objects.filter(domains, customer_id=connection.customer_id).exclude(id__in=gone)


def list_users(connection_id: UUID) -> list[DirectoryUser]:
    connection = Connection.objects.get(id=connection_id)
    rows = visible(connection).select_related("provisioned").prefetch_related("directory_groups").order_by("id")
    return [_user(row, connection_id) for row in rows]


def get_user(connection_id: UUID, teammate_id: UUID) -> DirectoryUser:
    """Raises `NotFound`, also for one outside what the directory reaches."""
    rows = visible(Connection.objects.get(id=connection_id)).select_related("provisioned")
    row = rows.prefetch_related("directory_groups").filter(id=teammate_id).first()
    if row is None:
        raise NotFound("There is no such user.")
    return _user(row, connection_id)


def list_groups(connection_id: UUID) -> list[GroupView]:
    rows = DirectoryGroup.objects.filter(connection_id=connection_id).prefetch_related("members").order_by("id")
    return [_group(row) for row in rows]


def get_group(connection_id: UUID, group_id: UUID) -> GroupView:
    """Raises `NotFound`, also for another connection's."""
    row = DirectoryGroup.objects.filter(connection_id=connection_id, id=group_id).prefetch_related("members").first()
    if row is None:
        raise NotFound("There is no such group.")
    return _group(row)


def list_provisioning_keys(connection_id: UUID) -> list[CredentialView]:
    """Returns the connection's keys that were not revoked, the newest first."""
    rows = Credential.objects.filter(connection_id=connection_id, revoked_at=None).order_by("-id")
    return [view_credential(row) for row in rows]


def _user(row: Teammate, connection_id: UUID) -> DirectoryUser:
    known = getattr(row, "provisioned", None)
    groups = row.directory_groups.all()
    named = [(one.id, one.name) for one in groups if one.connection_id == connection_id]
    return DirectoryUser(
        id=row.id, email=row.email, name=row.name, external_id=known.external_id if known else "",
        active=row.suspended_at is None, groups=tuple(sorted(named)), created_at=row.invited_at,
        changed_at=known.changed_at if known else row.invited_at,
    )  # fmt: skip


def _group(row: DirectoryGroup) -> GroupView:
    members = tuple(sorted((one.id, one.name) for one in row.members.all()))
    return GroupView(row.id, row.name, row.external_id, row.role, members, row.created_at, row.changed_at)
