"""`misentinel trail verify|prove|mirror|keys`: the verifiable log, for whoever does not take our word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from misentinel.cli.command import Actor, console, grant_option, recorded
from misentinel.cli.trail import group, to_id
from misentinel.kernel.errors import Invalid, MiSentinelError, NotFound
from misentinel.trail.contracts import Log, Tag

if TYPE_CHECKING:
    from misentinel.trail.rules.checkpoints import Checkpoint
    from misentinel.trail.rules.notes import VerifierKey

__all__ = ["Broken", "group", "log_named"]
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

    log = log_named(customer)
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

    log = log_named(customer, actor)
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
@click.argument("what", type=click.Path(path_type=Path))
@click.option("--key", "texts", multiple=True, required=True, help="A key you trust, as `trail keys` prints it.")
@click.option("--seen", type=_FILE, help="A checkpoint that you kept from before.")
@click.option(
    "--witnesses", type=click.IntRange(0), default=0, help="How many of the keys must be witnesses' that signed."
)
def verify(what: Path, texts: tuple[str, ...], seen: Path | None, witnesses: int) -> None:
    """Check a mirrored log, or a proof with its entry, against KEY. Needs no installation, only the files.

    WHAT is the folder of a mirror, of which every entry, every tile and the signature are checked, or a .tlog-proof.
    A proof brings its entry along; what lies beside it in a file of the same name and .entry goes before.
    """
    from misentinel.trail.rules.checkpoints import Checkpoint
    from misentinel.trail.rules.notes import KeyType, Note, VerifierKey

    try:
        keys = [VerifierKey.parse(text) for text in texts]
        before = Checkpoint.parse(Note.parse(seen.read_bytes()).text) if seen else None
    except (ValueError, OSError) as error:
        raise Invalid(f"This cannot be read: {error}.") from None
    names = {key.name for key in keys if key.type is KeyType.NOTE}
    if len(names) != 1:
        raise Invalid("Name keys of one log, and of its witnesses if you like.")
    if what.is_dir():
        _verify_folder(what, keys, names.pop(), before, witnesses)
    elif before is not None:
        raise Invalid("A checkpoint from before is compared with a whole log, not with one proof.")
    else:
        _verify_proof(what, keys, names.pop(), witnesses)


@group.command("prove")
@click.argument("entry")
@click.option("--output", type=_FILE, help="Where to; ENTRY.tlog-proof if left out. The entry goes beside it.")
@_whose
@grant_option
@recorded(Tag.LOG_PROVE)
def prove(actor: Actor, entry: str, output: Path | None, customer: str, grant: UUID | None) -> None:
    """Write a proof that ENTRY is in the log, which anyone can check with the log's key alone.

    The entry itself goes beside it, as the log hashes it. One that is too large for that goes there whole as well.
    """
    from misentinel.trail.queries import prove as prove_entry
    from misentinel.trail.queries import whole_entry

    entry_id = to_id(entry)
    if entry_id is None:
        raise Invalid("Name the entry by its id, as `misentinel trail list` shows it.")
    log = log_named(customer, actor)
    data, proof = prove_entry(log, entry_id)
    output = output or Path(f"{entry_id}.tlog-proof")
    output.write_text(str(proof))
    output.with_suffix(".entry").write_bytes(data)
    if (whole := whole_entry(log, entry_id)) != data:
        output.with_suffix(".whole").write_bytes(whole)
    console.print(f"{output} proves {output.with_suffix('.entry')}, entry {proof.index} of the log.")


def _verify_folder(
    folder: Path, keys: list[VerifierKey], origin: str, before: Checkpoint | None, witnesses: int
) -> None:
    from rich.progress import Progress

    from misentinel.trail.rules.verifying import verify_log

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Verifying", total=None)
        report = verify_log(
            lambda path: _read(folder / path), keys, origin, seen=before, witnesses=witnesses,
            progress=lambda entries: progress.update(task, completed=entries),
        )  # fmt: skip
    for fault in report.faults:
        console.print(fault, style="red")
    if not report.holds or report.checkpoint is None:
        raise Broken("This log is not what was signed. Keep these files: they are the evidence.")
    root = report.checkpoint.root.hex()
    console.print(f"All {report.entries} entries are as they were signed by {report.checkpoint.origin}. Root {root}.")
    if others := [name for name in report.signed_by if name != origin]:
        console.print(f"Witnessed by {', '.join(others)}.")


def _verify_proof(path: Path, keys: list[VerifierKey], origin: str, witnesses: int) -> None:
    from misentinel.trail.rules.checkpoints import Proof
    from misentinel.trail.rules.leaves import leaf_from

    whole = _read(path.with_suffix(".whole"))
    try:
        proof = Proof.parse(path.read_text())
        data = _read(path.with_suffix(".entry")) or proof.extra
        if data is None:
            raise Invalid(f"The entry is not there: {path.with_suffix('.entry')}.")
        found = proof.verify(data, origin, keys, witnesses)
        if whole is not None and leaf_from(whole) != data:
            raise ValueError(f"{path.with_suffix('.whole')} is not the entry whose digests the log has")
    except OSError as error:
        raise Invalid(f"This cannot be read: {error}.") from None
    except ValueError as error:
        raise Broken(f"This does not prove the entry: {error}.") from None
    console.print(f"Entry {proof.index} of {found.size} is as it was signed by {found.origin}:")
    told = data.decode(errors="replace")
    click.echo(told if told.isprintable() else f"{len(data)} bytes that are no text")


def log_named(customer: str, looking: Actor | None = None) -> Log:
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
