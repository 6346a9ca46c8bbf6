"""`misentinel operator`: the installation's own staff, who hold nothing at any customer until one lets them in."""

from __future__ import annotations

from uuid import UUID

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, recorded
from misentinel.cli.teammates import print_link
from misentinel.kernel.errors import NotFound
from misentinel.trail.contracts import Tag


@click.group("operator")
def group() -> None:
    """Look after the operator's staff, who ask customers to be let in."""


@group.command("invite")
@click.argument("email")
@click.option("--name", required=True, help="What customers see when they ask to be let in.")
@recorded(Tag.OPERATOR_INVITE)
def invite(actor: Actor, email: str, name: str) -> None:
    """Add somebody to the staff and print the one-time link with which they enrol."""
    from misentinel.teammates.actions.operator_access import invite_operator

    print_link(invite_operator(actor, email=email, name=name))


@group.command("link")
@click.argument("email")
@recorded(Tag.OPERATOR_INVITE)
def link(actor: Actor, email: str) -> None:
    """Print a fresh enrolment link, for somebody of the staff who lost their password or their phone."""
    from misentinel.teammates.actions.operator_access import renew_operator_link

    print_link(renew_operator_link(actor, _staff(email)))


@group.command("list")
@recorded(Tag.OPERATOR_LIST)
def list_(actor: Actor) -> None:
    """List the staff."""
    from misentinel.teammates.queries import list_operators

    table = Table("e-mail", "name", "state", "last seen")
    for one in list_operators():
        state = "suspended" if one.suspended_at else "enrolled" if one.enrolled_at else "invited"
        seen = f"{one.last_seen_at:%Y-%m-%d %H:%M}" if one.last_seen_at else "never"
        table.add_row(one.email, one.name, state, seen)
    if table.row_count:
        console.print(table)
    else:
        console.print("There is no staff yet. misentinel operator invite EMAIL --name NAME")


@group.command("suspend")
@click.argument("email")
@recorded(Tag.OPERATOR_SUSPEND)
def suspend(actor: Actor, email: str) -> None:
    """Shut somebody of the staff out: their sessions end now, and whatever customers let them into."""
    from misentinel.teammates.actions.operator_access import suspend_operator

    ended = suspend_operator(actor, _staff(email))
    console.print(f"{email} is suspended; {ended} of their questions and accesses ended.")


@group.command("reinstate")
@click.argument("email")
@recorded(Tag.TEAMMATE_REINSTATE)
def reinstate(actor: Actor, email: str) -> None:
    """Let a suspended member of the staff sign in again."""
    from misentinel.teammates.actions.operator_access import reinstate_operator

    reinstate_operator(actor, _staff(email))
    console.print(f"{email} may sign in again.")


def _staff(email: str) -> UUID:
    from misentinel.kernel.actor import OPERATOR_ID
    from misentinel.teammates.queries import find_teammate_by_email

    found = find_teammate_by_email(OPERATOR_ID, email)
    if found is None:
        raise NotFound(f"Nobody of the staff has the address {email}; misentinel operator list shows them all.")
    return found.id
