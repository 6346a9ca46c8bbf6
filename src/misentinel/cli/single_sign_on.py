"""`misentinel sso`: what an operator needs when a customer is locked out by its own identity provider."""

from __future__ import annotations

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, recorded
from misentinel.trail.contracts import Tag

_customer = click.option("--customer", required=True, help="Short name or id of the customer.")


@click.group("sso")
def group() -> None:
    """See a customer's single sign-on, and let passwords in again."""


@group.command("list")
@_customer
@recorded(Tag.SSO_VIEW)
def list_(actor: Actor, customer: str) -> None:
    """List a customer's connections to identity providers."""
    from misentinel.customers.queries import get_customer
    from misentinel.teammates.queries.connections import list_connections

    table = Table("id", "name", "kind", "domains", "tested", "passwords")
    for one in list_connections(get_customer(customer).id):
        tested = f"{one.tested_at:%Y-%m-%d %H:%M}" if one.tested_at else "not yet"
        refused = "refused" if one.enforced else "let in"
        table.add_row(str(one.id), one.name, one.kind.value, ", ".join(one.domains), tested, refused)
    if table.row_count:
        console.print(table)
    else:
        console.print("This customer has no single sign-on.")


@group.command("off")
@_customer
@recorded(Tag.SSO_EDIT)
def off(actor: Actor, customer: str) -> None:
    """Let the customer's teammates in with their passwords again. The connections stay; the second factor stays."""
    from misentinel.customers.queries import get_customer
    from misentinel.teammates.actions.connecting import stop_enforcing
    from misentinel.teammates.queries.connections import list_connections

    customer_id = get_customer(customer).id
    enforced = [one for one in list_connections(customer_id) if one.enforced]
    for one in enforced:
        stop_enforcing(actor, customer_id, one.id)
    console.print(f"{len(enforced)} connection{'' if len(enforced) == 1 else 's'} let passwords in again.")
