"""Verifying a whole log from its files alone: tiles, bundles, a checkpoint and the keys one trusts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from misentinel.trail.rules.checkpoints import Checkpoint, trusted
from misentinel.trail.rules.merkle import HASH_BYTES, fold, leaf_hash, root_of
from misentinel.trail.rules.notes import Note, VerifierKey
from misentinel.trail.rules.tiles import HEIGHT, WIDTH, TileName, bundles_of, nodes_in, unbundle

ReadFile = Callable[[str], bytes | None]
Progress = Callable[[int], None]
_MOST_FAULTS = 20


@dataclass(slots=True)
class Report:
    """What was found. The log is as it was signed exactly if there are no `faults`."""

    checkpoint: Checkpoint | None = None
    signed_by: list[str] = field(default_factory=list)
    entries: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.faults

    def fault(self, told: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(told)


def verify_log(
    read: ReadFile,
    keys: list[VerifierKey],
    origin: str,
    *,
    seen: Checkpoint | None = None,
    witnesses: int = 0,
    progress: Progress = lambda entries: None,
) -> Report:
    """Checks every entry against its leaf, every tile against those below it, the root against the checkpoint, and
    the checkpoint against `keys`, `origin` and `seen`, an earlier checkpoint of this log; of the keys at least
    `witnesses` must be of witnesses that signed. Raises for nothing it reads.
    """
    report = Report()
    try:
        note = Note.parse(read("checkpoint") or b"")
        found, report.signed_by = trusted(note, origin, keys, witnesses)
    except ValueError as error:
        report.fault(f"the checkpoint cannot be trusted: {error}")
        return report
    report.checkpoint = found
    _check_entries(report, read, found.size, progress)
    _check_tree(report, read, found, seen)
    return report


def _check_entries(report: Report, read: ReadFile, size: int, progress: Progress) -> None:
    for name in bundles_of(size):
        first = name.index * WIDTH
        try:
            entries = unbundle(_file(read, name) or b"")
        except ValueError as error:
            report.fault(f"{name.path}: {error}")
            continue
        if len(entries) < name.width:
            report.fault(f"entries {first + len(entries)} to {first + name.width - 1} are missing")
        tile = _file(read, TileName(0, name.index, name.width)) or b""
        for i, entry in enumerate(entries[: name.width]):
            if leaf_hash(entry) != tile[i * HASH_BYTES : (i + 1) * HASH_BYTES]:
                report.fault(f"entry {first + i} is not the one that was sealed")
        report.entries += min(len(entries), name.width)
        progress(report.entries)


def _check_tree(report: Report, read: ReadFile, found: Checkpoint, seen: Checkpoint | None) -> None:
    def tile(level: int, index: int, width: int) -> bytes:
        whole = found.size >> (HEIGHT * level)
        name = TileName(level, index, min(WIDTH, whole - index * WIDTH))
        data = _file(read, name)
        if data is None or len(data) < name.width * HASH_BYTES:
            raise ValueError(f"{name.path} is missing or too short")
        return data

    level = 1
    try:
        while found.size >> (HEIGHT * level):
            for index in range(found.size >> (HEIGHT * level)):
                held = tile(level, index // WIDTH, index % WIDTH + 1)
                below = tile(level - 1, index, WIDTH)
                at = index % WIDTH * HASH_BYTES
                if fold(below) != held[at : at + HASH_BYTES]:
                    report.fault(f"{TileName(level, index // WIDTH).path} does not follow from the tiles below it")
            level += 1
        if root_of(found.size, nodes_in(tile)) != found.root:
            report.fault("the tree does not have the root that was signed")
        if seen is not None:
            _check_history(report, found, seen, lambda: root_of(seen.size, nodes_in(tile)))
    except ValueError as error:
        report.fault(str(error))


def _check_history(report: Report, found: Checkpoint, seen: Checkpoint, root: Callable[[], bytes]) -> None:
    if seen.origin != found.origin:
        report.fault(f"the checkpoint to compare with is of {seen.origin}")
    elif seen.size > found.size:
        report.fault(f"this log has {found.size} entries and had {seen.size}: it was cut, or an old state replayed")
    elif root() != seen.root:
        report.fault(f"the first {seen.size} entries are not those that were signed before: the log was forked")


def _file(read: ReadFile, name: TileName) -> bytes | None:
    """The tile's file, or the full one that has outgrown it."""
    data = read(name.path)
    return read(TileName(name.level, name.index).path) if data is None and name.width < WIDTH else data
