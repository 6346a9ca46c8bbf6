"""`misentinel role`: named sets of permissions, and `misentinel teammate grant` for permissions with an end."""

from __future__ import annotations

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, recorded
from misentinel.cli.teammates import customer_option, open_customer, permission_option
from misentinel.teammates.rules import parse_permissions
from misentinel.trail.contracts import Tag


@click.group("role")
def group() -> None:
    """List roles, and make, change and delete a customer's own."""


@group.command("list")
@customer_option
@recorded(Tag.ROLE_LIST)
def list_(actor: Actor, customer: str) -> None:
    """List the shipped roles and the customer's own."""
    from misentinel.teammates.queries import list_roles

    table = Table("id", "name", "permissions", "teammates", "what for")
    for role in list_roles(open_customer(customer).id):
        table.add_row(role.id, role.title, str(len(role.permissions)), str(role.holders), role.about)
    console.print(table)


@group.command("show")
@click.argument("role")
@customer_option
@recorded(Tag.ROLE_VIEW)
def show(actor: Actor, role: str, customer: str) -> None:
    """Show what a role gives and what it withholds. ROLE is its id or its name."""
    from misentinel.teammates.contracts import GRANTABLE, Permission
    from misentinel.teammates.queries import find_role

    found = find_role(open_customer(customer).id, role)
    console.print(f"{found.title}: {found.about}")
    for permission in Permission:
        if permission in GRANTABLE:
            console.print(f"  {'yes' if permission in found.permissions else 'no ':3} {permission.value}")


@group.command("create")
@click.argument("name")
@click.option("--about", default="", help="What it is for.")
@customer_option
@permission_option
@recorded(Tag.ROLE_CREATE)
def create(actor: Actor, name: str, about: str, customer: str, permissions: tuple[str, ...]) -> None:
    """Make a role with exactly the permissions given."""
    from misentinel.teammates.actions import create_role

    made = create_role(
        actor, open_customer(customer).id, title=name, about=about, permissions=parse_permissions(permissions)
    )
    console.print(f"{made.title} may: {', '.join(sorted(made.permissions)) or 'nothing'}. Its id is {made.id}.")


@group.command("edit")
@click.argument("role")
@click.option("--name", help="A new name.")
@click.option("--about", help="A new description.")
@customer_option
@permission_option
@recorded(Tag.ROLE_EDIT)
def edit(
    actor: Actor, role: str, name: str | None, about: str | None, customer: str, permissions: tuple[str, ...]
) -> None:
    """Change a role to exactly the permissions given; without any, only its name and description."""
    from misentinel.teammates.actions import edit_role
    from misentinel.teammates.queries import find_role

    found = find_role(open_customer(customer).id, role)
    after = edit_role(
        actor, open_customer(customer).id, found.id, title=found.title if name is None else name,
        about=found.about if about is None else about,
        permissions=parse_permissions(permissions) if permissions else found.permissions,
    )  # fmt: skip
    console.print(f"{after.title} may: {', '.join(sorted(after.permissions)) or 'nothing'}.")


@group.command("delete")
@click.argument("role")
@customer_option
@recorded(Tag.ROLE_DELETE)
def delete(actor: Actor, role: str, customer: str) -> None:
    """Delete a role that no teammate has."""
    from misentinel.teammates.actions import delete_role
    from misentinel.teammates.actions.command_line import require_free_hand
    from misentinel.teammates.queries import find_role

    customer_id = open_customer(customer).id
    require_free_hand(actor, customer_id)
    found = find_role(customer_id, role)
    delete_role(actor, customer_id, found.id)
    console.print(f"The role {found.title} is gone.")
