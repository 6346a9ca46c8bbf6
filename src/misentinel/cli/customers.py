"""`misentinel customer`: create, list, show and close customers."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from misentinel.cli.command import Actor, confirm, console, recorded
from misentinel.trail.contracts import Tag


@click.group("customer")
def group() -> None:
    """Create, list, show and close customers."""


@group.command("create")
@click.argument("name")
@click.option("--slug", default="", help="Short name; made from the name if left out.")
@click.option("--time-zone", default="Europe/London", show_default=True, help="IANA name, for what teammates see.")
@click.option("--cluster", default="", help="Where the store is placed; the default cluster if left out.")
@recorded(Tag.CUSTOMER_CREATE)
def create(actor: Actor, name: str, slug: str, time_zone: str, cluster: str) -> None:
    """Create a customer with a key, a role and a database of its own."""
    from misentinel.customers.actions import create_customer

    customer = create_customer(actor, name, slug=slug, time_zone=time_zone, cluster=cluster)
    console.print(f"Created {customer.name} ({customer.slug}), id {customer.id}.")
    console.print(f"Next: misentinel teammate invite you@example.com --customer {customer.slug} --owner")


@group.command("list")
@click.option("--closed", is_flag=True, help="Closed customers too.")
@recorded(Tag.CUSTOMER_LIST)
def list_(actor: Actor, closed: bool) -> None:
    """List customers by short name."""
    from misentinel.customers.queries import list_customers

    table = Table("short name", "name", "id", "created", "state")
    after = ""
    while found := list_customers(closed=closed, after=after):
        for customer in found:
            state = f"closed {customer.closed_at:%Y-%m-%d}" if customer.closed_at else "active"
            table.add_row(customer.slug, customer.name, str(customer.id), f"{customer.created_at:%Y-%m-%d}", state)
        after = found[-1].slug
    if table.row_count:
        console.print(table)
    else:
        console.print("There are no customers yet. Create one: misentinel customer create NAME")


@group.command("show")
@click.argument("customer")
@recorded(Tag.CUSTOMER_SHOW)
def show(actor: Actor, customer: str) -> None:
    """Show one customer and where its store lives. CUSTOMER is a short name or an id."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import list_placements

    found = get_customer(customer)
    table = Table(show_header=False, box=None)
    rows = {
        "name": found.name, "short name": found.slug, "id": str(found.id), "time zone": found.time_zone,
        "created": found.created_at.isoformat(timespec="seconds"),
        "closed": found.closed_at.isoformat(timespec="seconds") if found.closed_at else "no",
    }  # fmt: skip
    for placement in list_placements():
        if placement.customer_id == found.id:
            rows |= {"cluster": placement.cluster, "database": placement.database, "schema": placement.schema}
            rows["store"] = placement.fault or "in order"
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), value)
    console.print(table)


@group.command("close")
@click.argument("customer")
@click.option("--yes", is_flag=True, help="Do not ask.")
@recorded(Tag.CUSTOMER_CLOSE)
def close(actor: Actor, customer: str, yes: bool) -> None:
    """End a customer for good: its database is dropped and its keys are destroyed."""
    from misentinel.customers.actions import close_customer
    from misentinel.customers.queries import get_customer

    found = get_customer(customer)
    confirm(f"Close {found.name} and destroy everything it stores? This cannot be undone.", yes)
    close_customer(actor, found.id)
    console.print(f"{found.name} is closed. Its database is gone and its keys are destroyed.")


@group.command("rotate-key")
@click.argument("customer")
@recorded(Tag.CUSTOMER_KEY_ROTATE)
def rotate_key(actor: Actor, customer: str) -> None:
    """Give a customer a new key and wrap its people's keys anew. Nothing sealed is touched; run again to resume."""
    from rich.progress import Progress

    from misentinel.customers.actions import rotate_key as rotate

    with Progress(console=console) as progress:
        task = progress.add_task("Wrapping keys anew", total=None)
        version = rotate(actor, customer, lambda done, of: progress.update(task, completed=done, total=of))
    console.print(f"The customer's key is now version {version}; the earlier one opens nothing any more.")
