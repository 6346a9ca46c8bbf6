"""`misentinel trail verify|prove|mirror|keys`: the verifiable log, for whoever does not take our word."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from misentinel.cli.command import Actor, console, grant_option, recorded
from misentinel.cli.trail import group, to_id
from misentinel.kernel.errors import Invalid, MiSentinelError, NotFound
from misentinel.trail.contracts import Log, Tag

__all__ = ["group"]
_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_whose = click.option("--customer", default="", help="Short name or id; the operator's platform log if left out.")


class Broken(MiSentinelError):
    """The log is not what was signed."""

    code = "log_broken"
    status = 500
    exit_code = 7


@group.command("keys")
@_whose
@recorded(Tag.LOG_READ)
def keys(actor: Actor, customer: str) -> None:
    """Print the log's name and the public keys that sign it, the newest first: hand them to whoever verifies."""
    from misentinel.trail.queries import verifier_keys

    log = _log(customer)
    click.echo(log.origin)
    for key in verifier_keys(log):
        click.echo(str(key))


@group.command("mirror")
@click.argument("folder", type=_FOLDER)
@_whose
@grant_option
@recorded(Tag.LOG_READ)
def mirror(actor: Actor, folder: Path, customer: str, grant: UUID | None) -> None:
    """Write the whole log into FOLDER: its checkpoint, tiles and entries, in the layout of C2SP tlog-tiles.

    What is there from an earlier run is kept; only what is new is written.
    """
    from rich.progress import Progress

    from misentinel.trail.queries import latest_checkpoint, read_file
    from misentinel.trail.rules.checkpoints import Checkpoint
    from misentinel.trail.rules.tiles import bundles_of, tiles_of

    log = _log(customer, actor)
    note = latest_checkpoint(log)
    names = [*tiles_of(size := Checkpoint.parse(note.text).size), *bundles_of(size)]
    with Progress(console=console, transient=True) as progress:
        for name in progress.track(names, description="Writing"):
            path = folder / name.path
            if path.exists():
                continue
            data = read_file(log, name.path)
            if data is None:
                raise NotFound(f"{name.path} is missing from the log; misentinel trail verify says more.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    (folder / "checkpoint").write_text(str(note))
    console.print(f"{size} entries in {folder}. Verify them: misentinel trail verify {folder} --key KEY")


@group.command("verify")
@click.argument("folder", type=_FOLDER)
@click.option("--key", "texts", multiple=True, required=True, help="A key you trust, as `trail keys` prints it.")
@click.option("--seen", type=_FILE, help="A checkpoint that you kept from before.")
def verify(folder: Path, texts: tuple[str, ...], seen: Path | None) -> None:
    """Check a mirrored log in FOLDER against KEY: every entry, every tile, the signature. Needs no installation."""
    from rich.progress import Progress

    from misentinel.trail.rules.checkpoints import Checkpoint
    from misentinel.trail.rules.notes import Note, VerifierKey
    from misentinel.trail.rules.verifying import verify_log

    try:
        trusted = [VerifierKey.parse(text) for text in texts]
        before = Checkpoint.parse(Note.parse(seen.read_bytes()).text) if seen else None
    except (ValueError, OSError) as error:
        raise Invalid(f"This cannot be read: {error}.") from None
    names = {key.name for key in trusted}
    if len(names) != 1:
        raise Invalid("Name keys of one log only.")
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Verifying", total=None)
        report = verify_log(
            lambda path: _read(folder / path), trusted, names.pop(), seen=before,
            progress=lambda entries: progress.update(task, completed=entries),
        )  # fmt: skip
    for fault in report.faults:
        console.print(f"[red]{fault}[/red]")
    if not report.holds or report.checkpoint is None:
        raise Broken("This log is not what was signed. Keep these files: they are the evidence.")
    root = report.checkpoint.root.hex()
    console.print(f"All {report.entries} entries are as they were signed by {report.checkpoint.origin}. Root {root}.")


@group.command("prove")
@click.argument("entry")
@click.option("--output", type=_FILE, help="Where to; ENTRY.tlog-proof if left out. The entry goes beside it.")
@_whose
@grant_option
@recorded(Tag.LOG_PROVE)
def prove(actor: Actor, entry: str, output: Path | None, customer: str, grant: UUID | None) -> None:
    """Write a proof that ENTRY is in the log, which anyone can check with the log's key alone."""
    from misentinel.trail.queries import prove as prove_entry

    entry_id = to_id(entry)
    if entry_id is None:
        raise Invalid("Name the entry by its id, as `misentinel trail list` shows it.")
    data, proof = prove_entry(_log(customer, actor), entry_id)
    output = output or Path(f"{entry_id}.tlog-proof")
    output.write_text(str(proof))
    output.with_suffix(".entry").write_bytes(data)
    console.print(f"{output} proves {output.with_suffix('.entry')}, entry {proof.index} of the log.")


def _log(customer: str, looking: Actor | None = None) -> Log:
    """The log that was named. `looking` is for what shows entries: then the customer must have let its operator in."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import get_store
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.trail.queries import log_of, platform_log

    if not customer:
        return platform_log()
    found = get_customer(customer)
    if looking is not None:
        require_look(looking, found.id)
    return log_of(get_store(found.id))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
