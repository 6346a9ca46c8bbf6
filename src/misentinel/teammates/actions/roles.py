"""A customer's own roles. Changing one changes what everybody who has it may do, from their next request on."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.kernel.ids import parse_id
from misentinel.teammates import rules
from misentinel.teammates.actions.inviting import end_links, held_by, locked_teammates
from misentinel.teammates.contracts import Notice, Permission, RoleView
from misentinel.teammates.models import Role, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.holding import held_for_good, known_permissions
from misentinel.teammates.queries.roles import get_role
from misentinel.teammates.roles import shipped_roles
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


def create_role(
    actor: Actor, customer_id: UUID, *, title: str, about: str = "", permissions: Iterable[Permission]
) -> RoleView:
    """Raises `Invalid` for the title, `Conflict` where there is one of that title, `Refused` for a permission that the
    actor does not hold for good.
    """
    wanted = frozenset(permissions)
    title, about = _clean(title, about)
    with transaction.atomic():
        rules.require_grantable(held_by(actor, customer_id), frozenset(), wanted)
        row = Role(customer_id=customer_id, title=title, about=about, permissions=sorted(wanted))
        _save(row)
        _record(actor, Tag.ROLE_CREATE, row, {"permissions": sorted(wanted)})
    return get_role(customer_id, str(row.id))


def edit_role(
    actor: Actor, customer_id: UUID, role_id: str, *, title: str, about: str, permissions: Iterable[Permission]
) -> RoleView:
    """Raises like `create_role`, `NotFound`, and `Conflict` for a shipped role or the last full administrator."""
    wanted = frozenset(permissions)
    title, about = _clean(title, about)
    with transaction.atomic():
        everybody = locked_teammates(customer_id)
        row = _own(customer_id, role_id)
        before = known_permissions(row.permissions)
        rules.require_grantable(held_by(actor, customer_id), before, wanted)
        _require_administrators(everybody, row, wanted)
        row.title, row.about, row.permissions = title, about, sorted(wanted)
        _save(row)
        for teammate in everybody:
            if teammate.role_id == row.id:
                _tell(teammate, before, wanted)
        _record(actor, Tag.ROLE_EDIT, row, {"granted": sorted(wanted - before), "withdrawn": sorted(before - wanted)})
    return get_role(customer_id, role_id)


def delete_role(actor: Actor, customer_id: UUID, role_id: str) -> None:
    """Raises `NotFound`, and `Conflict` while a teammate has the role or for a shipped one."""
    with transaction.atomic():
        everybody = locked_teammates(customer_id)
        row = _own(customer_id, role_id)
        holders = sum(teammate.role_id == row.id for teammate in everybody)
        if holders:
            raise Conflict(
                f"{holders} teammate{'s have' if holders > 1 else ' has'} this role. Give them another first."
            )
        _record(actor, Tag.ROLE_DELETE, row, {})
        row.delete()


def _tell(teammate: Teammate, before: frozenset[Permission], wanted: frozenset[Permission]) -> None:
    """Tells a holder, unless all that changed is theirs as a single permission too."""
    if wanted - before:
        end_links(teammate)
    if teammate.may_sign_in and (wanted ^ before) - known_permissions(teammate.permissions):
        notify(teammate, Notice.PERMISSIONS_CHANGED)


def _own(customer_id: UUID, role_id: str) -> Role:
    if role_id in shipped_roles():
        raise Conflict("This role comes with MiSentinel and stays as it is. Make one of your own from it.")
    own = parse_id(role_id)
    row = Role.objects.select_for_update().filter(id=own, customer_id=customer_id).first() if own else None
    if row is None:
        raise NotFound("There is no such role.")
    return row


def _require_administrators(everybody: list[Teammate], role: Role, wanted: frozenset[Permission]) -> None:
    """As if each holder's permissions were set at once."""
    able = [teammate for teammate in everybody if teammate.may_sign_in]

    def after(teammate: Teammate) -> frozenset[Permission]:
        single = known_permissions(teammate.permissions)
        return single | wanted if teammate.role_id == role.id else held_for_good(teammate)

    remaining = [after(teammate) for teammate in able]
    for teammate in able:
        if teammate.role_id == role.id:
            rules.require_administrator(held_for_good(teammate), after(teammate), remaining)


def _save(row: Role) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Conflict("There is a role of this name already.") from None


def _clean(title: str, about: str) -> tuple[str, str]:
    title, about = " ".join(title.split()), " ".join(about.split())
    if not title or len(title) > 60 or not title.isprintable():
        raise Invalid("A role's name has 1 to 60 printable characters.")
    if title.casefold() in {word.casefold() for role in shipped_roles().values() for word in (role.id, role.title)}:
        raise Conflict("A role that comes with MiSentinel has this name. Choose another.")
    if len(about) > 200:
        raise Invalid("A role's description has at most 200 characters.")
    return title, about


def _record(actor: Actor, tag: Tag, row: Role, details: dict[str, object]) -> None:
    record_control(
        actor, tag, customer_id=row.customer_id, object_kind="role", object_id=row.id, details=details,
        after={"title": row.title},
    )  # fmt: skip
