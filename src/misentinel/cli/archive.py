"""`misentinel archive`: sealed entries as Parquet, locked, verified, restored, held, and removed when their time is
over.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from uuid import UUID

import click
from rich.table import Table

from misentinel.cli.command import Actor, confirm, console, grant_option, recorded
from misentinel.cli.logs import Broken
from misentinel.kernel.errors import Invalid
from misentinel.trail.contracts import Log, Tag

_whose = click.option("--customer", default="", help="Short name or id; the operator's platform log if left out.")
_since = click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day (UTC).")
_until = click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Up to this day, included.")
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group("archive")
def group() -> None:
    """Keep the trail for years: what is sealed, as Parquet in a folder or on S3."""


@group.command("write")
@_whose
@recorded(Tag.ARCHIVE_WRITE)
def write(actor: Actor, customer: str) -> None:
    """Archive everything that is sealed, now; the worker does it each day by itself."""
    from misentinel.trail.actions import record_control
    from misentinel.trail.archive.writing import write_archive

    log, entries, parts = _log(customer), 0, 0
    with console.status("Archiving"):
        while (written := write_archive(actor, log)).parts:
            entries, parts = entries + written.end - written.start, parts + len(written.parts)
    if parts and log.customer_id is not None:  # the operator's own log has it from each part already
        record_control(
            actor, Tag.ARCHIVE_WRITE, object_kind="archive", object_id=log.origin, details={"count": entries}
        )
    console.print(f"{entries} entries in {parts} objects." if entries else "Everything that is sealed is archived.")


@group.command("list")
@_whose
@_since
@_until
@recorded(Tag.ARCHIVE_LIST)
def list_(actor: Actor, customer: str, since: datetime | None, until: datetime | None) -> None:
    """List the objects: which entries they hold, until when they are kept, and whether they can be read now."""
    from misentinel.trail.archive.keeping import stored_parts
    from misentinel.trail.archive.places import place

    found = stored_parts(_log(customer), since=_day(since), until=_day(until))
    if not found:
        console.print("Nothing is archived of these days.")
        return
    table = Table("day", "class", "entries", "rows", "bytes", "kept until", "hold", "state")
    for part, there in found:
        until_day = f"{there.retain_until:%Y-%m-%d}" if there and there.retain_until else ""
        table.add_row(
            f"{part.day}", str(part.class_uid), f"{part.first}-{part.last}", str(part.rows), str(part.bytes),
            until_day, "held" if there and there.held else "", there.tier if there else "missing",
        )  # fmt: skip
    console.print(table)
    console.print(f"In {place().name}.")


@group.command("verify")
@_whose
@grant_option
@recorded(Tag.ARCHIVE_VERIFY)
def verify(actor: Actor, customer: str, grant: UUID | None) -> None:
    """Check the whole archive of a log: every signature and object, that nothing is missing, and the root of the
    log.
    """
    from rich.progress import Progress

    from misentinel.trail.archive.catalogue import archived_size, list_parts
    from misentinel.trail.archive.places import local_file
    from misentinel.trail.archive.verifying import verify_archive
    from misentinel.trail.queries import verifier_keys

    log = _log(customer, actor)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Verifying", total=archived_size(log))
        report = verify_archive(
            [(part.key, part.manifest) for part in list_parts(log)], verifier_keys(log),
            lambda manifest: local_file(manifest.part),
            progress=lambda entries: progress.update(task, completed=entries),
        )  # fmt: skip
    _tell(report.faults, report.entries, report.parts)


@group.command("check")
@click.argument("folder", type=_FOLDER)
@click.option("--key", "texts", multiple=True, required=True, help="A key you trust, as `trail keys` prints it.")
def check(folder: Path, texts: tuple[str, ...]) -> None:
    """Check the archive of one log in FOLDER, a copy of it, against KEY. Needs no installation."""
    from misentinel.trail.archive.layout import MANIFESTS
    from misentinel.trail.archive.verifying import verify_archive
    from misentinel.trail.rules.notes import Note, VerifierKey

    try:
        keys = [VerifierKey.parse(text) for text in texts]
        origin = {key.name for key in keys}
        manifests = [
            (str(path), text)
            for path in sorted((folder / MANIFESTS).rglob("*.manifest"))
            if Note.parse(text := path.read_text()).text.split("\n")[1] in origin
        ]
    except (ValueError, OSError, IndexError) as error:
        raise Invalid(f"This cannot be read: {error}.") from None
    report = verify_archive(manifests, keys, lambda manifest: folder / manifest.part.key)
    _tell(report.faults, report.entries, report.parts)


@group.command("restore")
@_whose
@_since
@_until
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long it stays readable.")
@recorded(Tag.ARCHIVE_RESTORE)
def restore(actor: Actor, customer: str, since: datetime | None, until: datetime | None, days: int) -> None:
    """Ask Glacier for these days. It takes hours: run this again to see how far it is."""
    from misentinel.trail.archive.keeping import restore as ask

    found = ask(actor, _log(customer), since=_day(since), until=_day(until), days=days)
    total = found.ready + found.restoring + found.cold
    console.print(f"{found.ready} of {total} objects can be read; {found.restoring + found.cold} are being restored.")


@group.command("terms")
@_whose
@click.option("--retention-days", type=int, help="How long a day's entries stay in the archive, locked.")
@click.option("--hot-days", type=int, help="How long entries stay in the database as well.")
@recorded(Tag.ARCHIVE_TERMS)
def terms(actor: Actor, customer: str, retention_days: int | None, hot_days: int | None) -> None:
    """Show, or set, how long a log is kept. What is archived is kept longer if that is more, never less."""
    from misentinel.trail.archive.terms import get_terms, set_terms

    log = _log(customer)
    if retention_days or hot_days:
        set_terms(actor, log, retention_days=retention_days, hot_days=hot_days)
    found = get_terms(log.customer_id)
    held = "On legal hold." if found.hold else "No legal hold."
    console.print(f"Archive: {found.retention_days} days. Database: {found.hot_days} days. {held}")


@group.command("hold")
@_whose
@click.option("--reason", required=True, help="Why, for example the reference of the case. It is sealed.")
@recorded(Tag.ARCHIVE_HOLD)
def hold(actor: Actor, customer: str, reason: str) -> None:
    """Put a log's archive on legal hold: nothing of it goes, whatever its retention, until it is released."""
    from misentinel.trail.archive.terms import set_hold

    console.print(f"{set_hold(actor, _log(customer), held=True, reason=reason)} objects are held now.")


@group.command("release")
@_whose
@click.option("--reason", required=True, help="Why the hold ends.")
@recorded(Tag.ARCHIVE_RELEASE)
def release(actor: Actor, customer: str, reason: str) -> None:
    """End a legal hold. What is still within its retention stays."""
    from misentinel.trail.archive.terms import set_hold

    console.print(f"{set_hold(actor, _log(customer), held=False, reason=reason)} objects are no longer held.")


@group.command("prune")
@_whose
@recorded(Tag.ARCHIVE_PRUNE)
def prune(actor: Actor, customer: str) -> None:
    """Let the database go of entries that are archived and past the log's hot days. Proofs of them stay possible."""
    from misentinel.trail.archive.keeping import prune as let_go

    log, total = _log(customer), 0
    with console.status("Letting go"):
        while count := let_go(actor, log):
            total += count
    console.print(f"{total} entries are in the archive alone now.")


@group.command("remove")
@_whose
@click.option("--yes", is_flag=True, help="Do not ask.")
@recorded(Tag.ARCHIVE_REMOVE)
def remove(actor: Actor, customer: str, yes: bool) -> None:
    """Remove objects whose retention is over and that nobody holds, for good. The worker does it each day by itself."""
    from misentinel.trail.archive.keeping import remove_expired

    confirm("Remove what is past its retention, for good?", yes)
    console.print(f"{remove_expired(actor, _log(customer))} objects are removed.")


def _tell(faults: list[str], entries: int, parts: int) -> None:
    for fault in faults:
        console.print(fault)
    if faults:
        raise Broken("This archive is not what was signed. Keep it as it is: it is evidence.")
    console.print(f"All {entries} entries in {parts} objects are as they were signed.")


def _log(customer: str, looking: Actor | None = None) -> Log:
    from misentinel.cli.logs import log_named

    return log_named(customer, looking)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
