"""`misentinel teammate` and `misentinel key`: who may sign in, and which programs may call."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, recorded
from misentinel.kernel.errors import Invalid, NotFound
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, OneTimeLink, Permission
from misentinel.teammates.rules import parse_permissions
from misentinel.trail.contracts import Tag

if TYPE_CHECKING:
    from misentinel.customers.contracts import Customer
    from misentinel.teammates.contracts import TeammateView

_NAMES = [permission.value for permission in Permission if permission in GRANTABLE]
_customer = click.option("--customer", required=True, help="Short name or id of the customer.")
_permission = click.option(
    "--permission", "permissions", multiple=True, type=click.Choice(_NAMES), help="May be given several times."
)


@click.group("teammate")
def group() -> None:
    """Invite, permit and suspend the people who sign in."""


@group.command("invite")
@click.argument("email")
@_customer
@click.option("--name", default="", help="What they are called; made from the address if left out.")
@click.option("--owner", is_flag=True, help="Give every permission.")
@_permission
@recorded(Tag.TEAMMATE_INVITE)
def invite(actor: Actor, email: str, customer: str, name: str, owner: bool, permissions: tuple[str, ...]) -> None:
    """Add a teammate and print the one-time link with which they enrol."""
    from misentinel.teammates.actions import invite_teammate

    granted = GRANTABLE if owner else parse_permissions(permissions)
    name = name or email.partition("@")[0]
    link = invite_teammate(actor, _open(customer).id, email=email, name=name, permissions=granted)
    _print_link(link)


@group.command("link")
@click.argument("email")
@_customer
@recorded(Tag.TEAMMATE_INVITE)
def link(actor: Actor, email: str, customer: str) -> None:
    """Print a fresh enrolment link, for somebody who lost their password or their phone."""
    from misentinel.teammates.actions import renew_enrolment

    found = _open(customer)
    _print_link(renew_enrolment(actor, found.id, _teammate(found, email).id))


@group.command("list")
@_customer
@recorded(Tag.TEAMMATE_LIST)
def list_(actor: Actor, customer: str) -> None:
    """List a customer's teammates and what each may do."""
    from misentinel.teammates.queries import list_teammates

    table = Table("e-mail", "name", "state", "permissions")
    for teammate in list_teammates(_open(customer).id):
        state = "suspended" if teammate.suspended_at else "enrolled" if teammate.enrolled_at else "invited"
        table.add_row(teammate.email, teammate.name, state, ", ".join(sorted(teammate.permissions)) or "none")
    if table.row_count:
        console.print(table)
    else:
        console.print(f"There are no teammates yet. misentinel teammate invite EMAIL --customer {customer} --owner")


@group.command("permit")
@click.argument("email")
@_customer
@_permission
@recorded(Tag.TEAMMATE_PERMIT)
def permit(actor: Actor, email: str, customer: str, permissions: tuple[str, ...]) -> None:
    """Set what a teammate may do: exactly the permissions given, from their next request on."""
    from misentinel.teammates.actions import set_permissions

    found = _open(customer)
    after = set_permissions(actor, found.id, _teammate(found, email).id, parse_permissions(permissions))
    console.print(f"{after.email} may: {', '.join(sorted(after.permissions)) or 'nothing'}.")


@group.command("suspend")
@click.argument("email")
@_customer
@recorded(Tag.TEAMMATE_SUSPEND)
def suspend(actor: Actor, email: str, customer: str) -> None:
    """Shut a teammate out: their sessions and links end now."""
    from misentinel.teammates.actions import suspend_teammate

    found = _open(customer)
    suspend_teammate(actor, found.id, _teammate(found, email).id)
    console.print(f"{email} is suspended.")


@group.command("reinstate")
@click.argument("email")
@_customer
@recorded(Tag.TEAMMATE_REINSTATE)
def reinstate(actor: Actor, email: str, customer: str) -> None:
    """Let a suspended teammate sign in again."""
    from misentinel.teammates.actions import reinstate_teammate

    found = _open(customer)
    reinstate_teammate(actor, found.id, _teammate(found, email).id)
    console.print(f"{email} may sign in again.")


@click.group("key")
def keys() -> None:
    """Create, list and revoke the keys that programs show."""


@keys.command("create")
@click.argument("name")
@_customer
@click.option("--write", is_flag=True, help="A write key: sends people and events, reads nothing.")
@click.option("--days", type=click.IntRange(1), help="Expires after so many days; otherwise when it is revoked.")
@_permission
@recorded(Tag.CREDENTIAL_CREATE)
def create(actor: Actor, name: str, customer: str, write: bool, days: int | None, permissions: tuple[str, ...]) -> None:
    """Create a write key, or an API token with permissions, and print it once."""
    from misentinel.kernel.clock import in_future
    from misentinel.teammates.actions import create_credential

    made = create_credential(
        actor, _open(customer).id, CredentialKind.WRITE_KEY if write else CredentialKind.API_TOKEN, name=name,
        permissions=parse_permissions(permissions), expires_at=in_future(days=days) if days else None,
    )  # fmt: skip
    console.print(made.secret)
    console.print(f"Kept only as a digest: this is the one time it is shown. Its id is {made.view.id}.")


@keys.command("list")
@_customer
@recorded(Tag.CREDENTIAL_LIST)
def list_keys(actor: Actor, customer: str) -> None:
    """List a customer's keys."""
    from misentinel.teammates.queries import list_credentials

    table = Table("id", "name", "key", "may", "last used", "state")
    for key in list_credentials(_open(customer).id):
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        if not key.revoked_at and key.expires_at:
            state = f"until {key.expires_at:%Y-%m-%d}"
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        table.add_row(str(key.id), key.name, key.hint, ", ".join(sorted(key.permissions)), used, state)
    if table.row_count:
        console.print(table)
    else:
        console.print(f"There are no keys yet. misentinel key create NAME --customer {customer} --write")


@keys.command("revoke")
@click.argument("key", type=click.UUID)
@_customer
@recorded(Tag.CREDENTIAL_REVOKE)
def revoke(actor: Actor, key: UUID, customer: str) -> None:
    """Revoke a key by its id: its next request is refused."""
    from misentinel.teammates.actions import revoke_credential

    revoke_credential(actor, _open(customer).id, key)
    console.print(f"Key {key} is revoked.")


def _open(customer: str) -> Customer:
    from misentinel.customers.queries import get_customer

    found = get_customer(customer)
    if found.closed_at is not None:
        raise Invalid(f"{found.name} is closed.")
    return found


def _teammate(customer: Customer, email: str) -> TeammateView:
    from misentinel.teammates.queries import find_teammate_by_email

    found = find_teammate_by_email(customer.id, email)
    if found is None:
        raise NotFound(f"{customer.name} has no teammate {email}; misentinel teammate list shows them all.")
    return found


def _print_link(link: OneTimeLink) -> None:
    from misentinel.kernel import settings

    console.print(settings.load().base_url + link.path)
    console.print(f"Works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC. This is the one time it is shown.")
