"""`misentinel teammate`: who may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, grant_option, recorded
from misentinel.kernel.errors import Invalid, NotFound
from misentinel.teammates.contracts import GRANTABLE, OneTimeLink, Permission
from misentinel.teammates.roles import OWNER
from misentinel.teammates.rules import parse_permissions
from misentinel.trail.contracts import Tag

if TYPE_CHECKING:
    from misentinel.customers.contracts import Customer
    from misentinel.teammates.contracts import TeammateView

_NAMES = [permission.value for permission in Permission if permission in GRANTABLE]
customer_option = click.option("--customer", required=True, help="Short name or id of the customer.")
permission_option = click.option(
    "--permission", "permissions", multiple=True, type=click.Choice(_NAMES), help="May be given several times."
)


@click.group("teammate")
def group() -> None:
    """Invite, permit and suspend the people who sign in."""


@group.command("invite")
@click.argument("email")
@customer_option
@click.option("--name", default="", help="What they are called; made from the address if left out.")
@click.option("--owner", is_flag=True, help="Give the role owner: every permission.")
@click.option("--role", default="", help="A role's id or name; `misentinel role list` shows them.")
@permission_option
@recorded(Tag.TEAMMATE_INVITE)
def invite(
    actor: Actor, email: str, customer: str, name: str, owner: bool, role: str, permissions: tuple[str, ...]
) -> None:
    """Add a teammate and print the one-time link with which they enrol."""
    from misentinel.teammates.actions import invite_teammate

    found = open_customer(customer)
    role_id = _role_id(found, OWNER if owner else role)
    link = invite_teammate(
        actor, found.id, email=email, name=name or email.partition("@")[0],
        permissions=parse_permissions(permissions), role=role_id,
    )  # fmt: skip
    print_link(link)


@group.command("link")
@click.argument("email")
@customer_option
@recorded(Tag.TEAMMATE_INVITE)
def link(actor: Actor, email: str, customer: str) -> None:
    """Print a fresh enrolment link, for somebody who lost their password or their phone."""
    from misentinel.teammates.actions import renew_enrolment

    found = open_customer(customer)
    print_link(renew_enrolment(actor, found.id, _teammate(found, email).id))


@group.command("list")
@customer_option
@grant_option
@recorded(Tag.TEAMMATE_LIST)
def list_(actor: Actor, customer: str, grant: UUID | None) -> None:
    """List a customer's teammates and what each may do."""
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.teammates.queries import list_teammates

    table = Table("e-mail", "name", "state", "role", "permissions")
    found = open_customer(customer)
    require_look(actor, found.id)
    for teammate in list_teammates(found.id):
        state = "suspended" if teammate.suspended_at else "enrolled" if teammate.enrolled_at else "invited"
        table.add_row(
            teammate.email,
            teammate.name,
            state,
            teammate.role.id if teammate.role else "",
            ", ".join(sorted(teammate.permissions)) or "none",
        )
    if table.row_count:
        console.print(table)
    else:
        console.print(f"There are no teammates yet. misentinel teammate invite EMAIL --customer {customer} --owner")


@group.command("permit")
@click.argument("email")
@customer_option
@click.option("--role", default="", help="A role's id or name; left out: no role.")
@permission_option
@recorded(Tag.TEAMMATE_PERMIT)
def permit(actor: Actor, email: str, customer: str, role: str, permissions: tuple[str, ...]) -> None:
    """Set what a teammate may do: exactly the role and the permissions given, from their next request on."""
    from misentinel.teammates.actions import set_permissions

    found = open_customer(customer)
    wanted, role_id = parse_permissions(permissions), _role_id(found, role)
    after = set_permissions(actor, found.id, _teammate(found, email).id, wanted, role=role_id)
    console.print(f"{after.email} may: {', '.join(sorted(after.permissions)) or 'nothing'}.")


@group.command("grant")
@click.argument("email")
@click.argument("permission", type=click.Choice(_NAMES))
@customer_option
@click.option("--hours", type=click.IntRange(1, 2160), required=True, help="For how long; 2160 is 90 days.")
@click.option("--reason", required=True, help="What it is needed for.")
@recorded(Tag.TEAMMATE_GRANT)
def grant(actor: Actor, email: str, permission: str, customer: str, hours: int, reason: str) -> None:
    """Give a teammate one permission for a time."""
    from misentinel.kernel.clock import in_future
    from misentinel.teammates.actions import grant_permission

    found = open_customer(customer)
    until = in_future(hours=hours)
    grant_permission(actor, found.id, _teammate(found, email).id, Permission(permission), until=until, reason=reason)
    console.print(f"{email} holds {permission} until {until:%Y-%m-%d %H:%M} UTC.")


@group.command("ungrant")
@click.argument("email")
@click.argument("permission", type=click.Choice(_NAMES))
@customer_option
@grant_option
@recorded(Tag.TEAMMATE_GRANT_END)
def ungrant(actor: Actor, email: str, permission: str, customer: str, grant: UUID | None) -> None:
    """Take a permission away that was given for a time."""
    from misentinel.teammates.actions import end_grant
    from misentinel.teammates.actions.command_line import require_containment

    found = open_customer(customer)
    require_containment(actor, found.id)
    teammate = _teammate(found, email)
    for each in teammate.grants:
        if each.permission == permission:
            end_grant(actor, found.id, teammate.id, each.id)
            console.print(f"{email} no longer holds {permission} for a time.")
            return
    raise NotFound(f"{email} does not hold {permission} for a time.")


@group.command("suspend")
@click.argument("email")
@customer_option
@grant_option
@recorded(Tag.TEAMMATE_SUSPEND)
def suspend(actor: Actor, email: str, customer: str, grant: UUID | None) -> None:
    """Shut a teammate out: their sessions and links end now."""
    from misentinel.teammates.actions import suspend_teammate
    from misentinel.teammates.actions.command_line import require_containment

    found = open_customer(customer)
    require_containment(actor, found.id)
    suspend_teammate(actor, found.id, _teammate(found, email).id)
    console.print(f"{email} is suspended.")


@group.command("reinstate")
@click.argument("email")
@customer_option
@recorded(Tag.TEAMMATE_REINSTATE)
def reinstate(actor: Actor, email: str, customer: str) -> None:
    """Let a suspended teammate sign in again."""
    from misentinel.teammates.actions import reinstate_teammate

    found = open_customer(customer)
    reinstate_teammate(actor, found.id, _teammate(found, email).id)
    console.print(f"{email} may sign in again.")


def open_customer(customer: str) -> Customer:
    from misentinel.customers.queries import get_customer

    found = get_customer(customer)
    if found.closed_at is not None:
        raise Invalid(f"{found.name} is closed.")
    return found


def _role_id(customer: Customer, role: str) -> str:
    from misentinel.teammates.queries import find_role

    return find_role(customer.id, role).id if role else ""


def _teammate(customer: Customer, email: str) -> TeammateView:
    from misentinel.teammates.queries import find_teammate_by_email

    found = find_teammate_by_email(customer.id, email)
    if found is None:
        raise NotFound(f"{customer.name} has no teammate {email}; misentinel teammate list shows them all.")
    return found


def print_link(link: OneTimeLink) -> None:
    from misentinel.kernel import settings

    console.print(settings.load().base_url + link.path)
    console.print(f"Works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC. This is the one time it is shown.")
