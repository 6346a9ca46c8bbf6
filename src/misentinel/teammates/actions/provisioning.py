"""What a company's directory may do over SCIM: add, rename, suspend and reinstate teammates, and say who is in which
group. It reaches its own customer's teammates in its own connection's domains, and gives no more than the connection's
limit; what it does ends sessions at once, and never removes the last full administrator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.teammates import rules
from misentinel.teammates.actions.inviting import (
    held_by,
    invite_teammate,
    locked,
    reinstate_teammate,
    suspend_teammate,
)
from misentinel.teammates.actions.permitting import set_permissions
from misentinel.teammates.actions.sessions import end_all
from misentinel.teammates.contracts import Notice
from misentinel.teammates.models import (
    Connection,
    Credential,
    DirectoryGroup,
    EmailChange,
    Provisioned,
    Teammate,
)
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.holding import held_now, known_permissions
from misentinel.teammates.queries.provisioning import DirectoryUser, get_user, visible
from misentinel.teammates.queries.roles import get_role, role_of
from misentinel.teammates.sso.rules import listed
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


@dataclass(frozen=True, slots=True)
class Wanted:
    """A user as the directory wants one."""

    email: str
    name: str
    external_id: str
    active: bool


def connection_of(actor: Actor) -> Connection:
    """Returns the connection that the key belongs to. Raises `Refused` for whoever shows no such key."""
    key = Credential.objects.select_related("connection").filter(id=actor.id, revoked_at=None).first()
    if key is None or key.connection is None:
        raise Refused("This needs a provisioning key.")
    return key.connection


def create_user(actor: Actor, wanted: Wanted) -> DirectoryUser:
    """Adds a teammate without any permission; one whom the directory deleted earlier comes back. Raises `Conflict` for
    an address that somebody has, `Invalid` for one outside the connection's domains.
    """
    connection = connection_of(actor)
    with transaction.atomic():
        _require_domain(connection, wanted.email)
        back = Provisioned.objects.filter(
            teammate__email=wanted.email.strip().casefold(), teammate__customer_id=connection.customer_id,
            withdrawn_at__isnull=False,
        ).first()  # fmt: skip
        if back is not None:
            Provisioned.objects.filter(pk=back.pk).update(withdrawn_at=None)
            return replace_user(actor, back.teammate_id, wanted)
        link = invite_teammate(
            actor, connection.customer_id, email=wanted.email, name=wanted.name or wanted.email.partition("@")[0],
            permissions=(),
        )  # fmt: skip
        Provisioned.objects.create(teammate_id=link.teammate_id, external_id=wanted.external_id)
        if not wanted.active:
            suspend_teammate(actor, connection.customer_id, link.teammate_id)
        return get_user(connection.id, link.teammate_id)


def replace_user(actor: Actor, teammate_id: UUID, wanted: Wanted) -> DirectoryUser:
    """Makes a teammate as the directory wants one. Raises `NotFound` for one it does not reach, `Refused` for a change
    that gives more than the connection may, `Conflict` for the last full administrator.
    """
    connection = connection_of(actor)
    with transaction.atomic():
        teammate = _reached(connection, teammate_id)
        email, name = wanted.email.strip().casefold(), " ".join(wanted.name.split())[:120] or teammate.name
        if email != teammate.email:
            _change_email(actor, connection, teammate, email)
        if name != teammate.name:
            teammate.name = name
            teammate.save(update_fields=["name"])
            _record(actor, teammate, {"changed": ["name"]})
        if wanted.active != (teammate.suspended_at is None):
            change = reinstate_teammate if wanted.active else suspend_teammate
            change(actor, connection.customer_id, teammate_id)
        Provisioned.objects.update_or_create(
            teammate=teammate, defaults={"external_id": wanted.external_id, "changed_at": now()}
        )
        return get_user(connection.id, teammate_id)


def delete_user(actor: Actor, teammate_id: UUID) -> None:
    """Suspends the teammate, with sessions ended at once, and lets the directory see them no more."""
    connection = connection_of(actor)
    with transaction.atomic():
        teammate = _reached(connection, teammate_id)
        if teammate.suspended_at is None:
            suspend_teammate(actor, connection.customer_id, teammate_id)
        for group in DirectoryGroup.objects.filter(connection=connection, members=teammate):
            group.members.remove(teammate)
        _settle(actor, connection, teammate_id)
        Provisioned.objects.update_or_create(teammate=teammate, defaults={"withdrawn_at": now(), "changed_at": now()})
        _record(actor, teammate, {"deleted": True})


def save_group(
    actor: Actor, group_id: UUID | None, *, name: str, external_id: str, members: Iterable[UUID]
) -> DirectoryGroup:
    """Adds a group, or makes it as the directory wants it. Raises like `replace_user`."""
    connection = connection_of(actor)
    name = " ".join(name.split())
    if not name or len(name) > 120 or not name.isprintable():
        raise Invalid("A group's name has 1 to 120 printable characters.")
    with transaction.atomic():
        row = _group(connection, group_id) if group_id else DirectoryGroup(connection=connection)
        row.name, row.external_id, row.changed_at = name, external_id, now()
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            raise Conflict("There is a group of this name already.", scim_type="uniqueness") from None
        before, after = set(row.members.values_list("id", flat=True)), set(members)
        found = list(visible(connection).filter(id__in=after))
        if len(found) != len(after):
            raise Invalid("A member of this group is nobody that this directory reaches.")
        row.members.set(found)
        for teammate_id in sorted(before ^ after):
            _settle(actor, connection, teammate_id)
        record_control(
            actor, Tag.SCIM_CHANGE, customer_id=connection.customer_id, object_kind="group", object_id=row.id,
            details={"added": len(after - before), "removed": len(before - after)}, after={"name": name},
        )  # fmt: skip
    return row


def delete_group(actor: Actor, group_id: UUID) -> None:
    """Its members lose the role that it gave them."""
    connection = connection_of(actor)
    with transaction.atomic():
        row = _group(connection, group_id)
        members = list(row.members.values_list("id", flat=True))
        row.delete()
        for teammate_id in members:
            _settle(actor, connection, teammate_id)
        record_control(
            actor, Tag.SCIM_CHANGE, customer_id=connection.customer_id, object_kind="group", object_id=group_id,
            details={"deleted": True, "removed": len(members)},
        )  # fmt: skip


def map_group(actor: Actor, customer_id: UUID, connection_id: UUID, group_id: UUID, role_id: str) -> None:
    """An administrator says which role a group's members have; "" is none. Raises `Invalid` for a role beyond the
    connection's limit, `Refused` for one beyond what the administrator holds.
    """
    with transaction.atomic():
        connection = Connection.objects.filter(id=connection_id, customer_id=customer_id).first()
        if connection is None:
            raise NotFound("There is no such connection.")
        row = _group(connection, group_id)
        gives = get_role(customer_id, role_id).permissions if role_id else frozenset()
        if gives - known_permissions(connection.ceiling):
            raise Invalid("This role gives more than the connection may. Raise the connection's limit first.")
        rules.require_grantable(held_by(actor, customer_id), frozenset(), gives)
        row.role = role_id
        row.save(update_fields=["role"])
        for teammate_id in row.members.values_list("id", flat=True):
            _settle(actor, connection, teammate_id)
        record_control(
            actor, Tag.SSO_EDIT, customer_id=customer_id, object_kind="group", object_id=row.id,
            details={"role": role_id},
        )  # fmt: skip


def _settle(actor: Actor, connection: Connection, teammate_id: UUID) -> None:
    """Gives the role of the oldest of their groups that has one. A role that somebody gave by hand stays."""
    teammate = Teammate.objects.select_related("role").get(id=teammate_id)
    known, _ = Provisioned.objects.get_or_create(teammate=teammate)
    has = role_of(teammate)
    if has is not None and has.id != known.given_role:
        return
    groups = DirectoryGroup.objects.filter(connection=connection, members=teammate).exclude(role="").order_by("id")
    first = groups.first()
    wanted = first.role if first else ""
    if wanted == (has.id if has else ""):
        return
    set_permissions(actor, teammate.customer_id, teammate_id, known_permissions(teammate.permissions), role=wanted)
    Provisioned.objects.filter(pk=teammate_id).update(given_role=wanted)


def _change_email(actor: Actor, connection: Connection, teammate: Teammate, email: str) -> None:
    """The provider's word for the new address is a way into the account, so it must hold no more than may be given."""
    _require_domain(connection, email)
    rules.require_grantable(known_permissions(connection.ceiling), frozenset(), held_now(teammate))
    before, teammate.email = teammate.email, email
    try:
        with transaction.atomic():
            teammate.save(update_fields=["email"])
    except IntegrityError:
        raise Conflict("This e-mail address belongs to a teammate already.", scim_type="uniqueness") from None
    EmailChange.objects.filter(teammate=teammate, ended_at=None).update(ended_at=now())
    end_all(actor, teammate)
    notify(teammate, Notice.EMAIL_DIRECTORY, to=before)
    notify(teammate, Notice.EMAIL_SET)
    record_control(
        actor, Tag.EMAIL_CHANGE, customer_id=connection.customer_id, object_kind="teammate", object_id=teammate.id,
        before={"email": before}, after={"email": email},
    )  # fmt: skip


def _require_domain(connection: Connection, email: str) -> None:
    if not listed(email, [one.domain for one in connection.listed.all()]):
        raise Invalid("userName must be an e-mail address in one of the connection's domains.")


def _reached(connection: Connection, teammate_id: UUID) -> Teammate:
    if not visible(connection).filter(id=teammate_id).exists():
        raise NotFound("There is no such user.")
    return locked(connection.customer_id, teammate_id)


def _group(connection: Connection, group_id: UUID) -> DirectoryGroup:
    row = DirectoryGroup.objects.select_for_update().filter(id=group_id, connection=connection).first()
    if row is None:
        raise NotFound("There is no such group.")
    return row


def _record(actor: Actor, teammate: Teammate, details: dict[str, object]) -> None:
    record_control(
        actor, Tag.SCIM_CHANGE, customer_id=teammate.customer_id, object_kind="teammate", object_id=teammate.id,
        details=details,
    )  # fmt: skip
