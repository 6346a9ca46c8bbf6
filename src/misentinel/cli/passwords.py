"""`misentinel passwords`: the breach corpus, and passwords that somebody else knows."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click
from rich.progress import Progress

from misentinel.cli.command import Actor, console, grant_option, recorded
from misentinel.kernel.errors import NotFound, Unavailable
from misentinel.trail.contracts import Tag


@click.group("passwords")
def group() -> None:
    """Load a list of leaked passwords; mark one that somebody else knows."""


@group.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@recorded(Tag.BLOCKLIST_LOAD)
def load(actor: Actor, file: Path) -> None:
    """Refuse the passwords of FILE from now on, in place of an earlier list.

    FILE has an SHA-1 or NTLM digest on each line, with or without ":COUNT", as breach corpora are handed out.
    """
    from misentinel.teammates.actions import load_blocklist

    with Progress(console=console) as progress:
        task = progress.add_task("reading", total=None)
        loaded = load_blocklist(actor, file, lambda done, total: progress.update(task, completed=done, total=total))
    console.print(f"{loaded.digests:,} {loaded.kind.title} digests are in force now, {loaded.size:,} bytes.")
    if loaded.wrong_lines:
        numbers = ", ".join(map(str, loaded.wrong))
        console.print(f"{loaded.wrong_lines:,} lines were no digests and were left out, the first: {numbers}.")


@group.command("status")
@recorded(Tag.BLOCKLIST_VIEW)
def status(actor: Actor) -> None:
    """Say which list is in force, and check that its file is whole."""
    from misentinel.teammates.passwords import blocklist

    found = blocklist.find()
    if found is None:
        console.print("The list of common passwords that comes with the program. misentinel passwords load FILE")
        return
    told = found.status
    console.print(
        f"{told.digests:,} {told.kind.title} digests, loaded {told.loaded_at:%Y-%m-%d %H:%M} UTC, {told.size:,} bytes; "
        f"one password in {1 / told.false_positives:,.0f} is taken for one of them by mistake."
    )
    with Progress(console=console) as progress:
        task = progress.add_task("checking", total=None)
        whole = found.is_whole(lambda done, total: progress.update(task, completed=done, total=total))
    if not whole:
        raise Unavailable("The file does not match its checksum. Load it again: misentinel passwords load FILE.")
    console.print("The file is whole.")


@group.command("compromised")
@click.argument("email")
@click.option("--customer", required=True, help="Short name or id of the customer.")
@grant_option
@recorded(Tag.PASSWORD_COMPROMISE)
def compromised(actor: Actor, email: str, customer: str, grant: UUID | None) -> None:
    """End a teammate's sessions; their next sign-in must choose a new password first."""
    from misentinel.customers.queries import get_customer
    from misentinel.teammates.actions import mark_compromised
    from misentinel.teammates.actions.command_line import require_containment
    from misentinel.teammates.queries import find_teammate_by_email

    found = get_customer(customer)
    require_containment(actor, found.id)
    teammate = find_teammate_by_email(found.id, email)
    if teammate is None:
        raise NotFound(f"{found.name} has no teammate {email}; misentinel teammate list shows them all.")
    mark_compromised(actor, found.id, teammate.id)
    console.print(f"{teammate.email} has to choose a new password at the next sign-in.")
