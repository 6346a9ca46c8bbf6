"""`misentinel stores`: the fleet of customers' databases."""

from __future__ import annotations

import click
from rich.progress import Progress

from misentinel.cli.command import Actor, console, errors, recorded
from misentinel.kernel.errors import Unavailable
from misentinel.trail.contracts import Tag


@click.group("stores")
def group() -> None:
    """Look after the fleet of customers' databases."""


@group.command("migrate")
@recorded(Tag.STORE_MIGRATE)
def migrate(actor: Actor) -> None:
    """Bring every store to this program's schema: the oldest first as a canary, then the rest. Run again to resume."""
    from misentinel.store.migration import migrate_fleet

    with Progress(console=console) as progress:
        task = progress.add_task("Migrating stores", total=None)
        report = migrate_fleet(lambda done, of: progress.update(task, completed=done, total=of))
        progress.update(task, total=len(report.done) + len(report.broken) or 1, completed=len(report.done) or 1)
    console.print(f"{len(report.done)} migrated, {report.current} were current, {len(report.broken)} broken.")
    for customer_id, fault in report.broken.items():
        errors.print(f"  store of customer {customer_id}: {fault}")
    if report.broken:
        raise Unavailable("Stores that are broken refuse to open. Repair them, then run `misentinel stores migrate`.")
