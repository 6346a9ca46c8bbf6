"""Verifying an archive from its objects and the log's keys alone: signatures, digests, that nothing is missing, and
the root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from misentinel.trail.archive.folder import digest
from misentinel.trail.archive.layout import Manifest, read_manifest
from misentinel.trail.archive.parquet import read_rows
from misentinel.trail.rules import merkle, tiles
from misentinel.trail.rules.checkpoints import Checkpoint
from misentinel.trail.rules.leaves import leaf_of
from misentinel.trail.rules.merkle import leaf_hash
from misentinel.trail.rules.notes import VerifierKey

Progress = Callable[[int], None]
_MOST_FAULTS = 20


@dataclass(slots=True)
class ArchiveReport:
    """What was found. The archive is whole and as it was signed exactly if there are no `faults`."""

    entries: int = 0
    parts: int = 0
    checkpoint: Checkpoint | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.faults

    def fault(self, told: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(told)


@dataclass(slots=True)
class _Tree:
    """The log's tree, grown leaf by leaf. Tiles that are full and not needed any more stay: 32 bytes an entry."""

    size: int = 0
    held: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def add(self, leaves: list[bytes]) -> None:
        self.held |= tiles.grow(self.size, leaves, self._read)
        self.size += len(leaves)

    def root(self) -> bytes:
        return merkle.root_of(self.size, tiles.nodes_in(self._read))

    def _read(self, level: int, index: int, width: int) -> bytes:
        return self.held.get((level, index), b"")


def verify_archive(
    manifests: Iterable[tuple[str, str]],
    keys: list[VerifierKey],
    file_of: Callable[[Manifest], Path],
    *,
    progress: Progress = lambda entries: None,
) -> ArchiveReport:
    """Checks signed `manifests`, given with the name of each, and the files they speak of. Raises for nothing it
    reads but what `file_of` raises for a file that cannot be had.
    """
    report, read = ArchiveReport(), []
    for name, text in manifests:
        try:
            read.append(read_manifest(text, keys))
        except ValueError as error:
            report.fault(f"{name}: {error}")
    batches: dict[tuple[int, int], list[Manifest]] = {}
    for manifest in read:
        batches.setdefault((manifest.part.start, manifest.part.end), []).append(manifest)
    tree = _Tree()
    for (start, end), parts in sorted(batches.items()):
        if start != tree.size:
            report.fault(
                f"entries {tree.size} to {start - 1} are missing" if start > tree.size else f"{start} is twice"
            )
            return report
        leaves = _check_batch(report, parts, file_of)
        if sorted(leaves) != [*range(start, end)]:
            missing = next((index for index in range(start, end) if index not in leaves), end)
            report.fault(f"entry {missing} is missing from its batch, {start} to {end - 1}")
            return report
        tree.add([leaves[index] for index in range(start, end)])
        _check_root(report, tree, parts)
        report.entries = end
        progress(end)
    return report


def _check_batch(report: ArchiveReport, parts: list[Manifest], file_of: Callable[[Manifest], Path]) -> dict[int, bytes]:
    leaves: dict[int, bytes] = {}
    for manifest in parts:
        part = manifest.part
        file = file_of(manifest)
        report.parts += 1
        if not file.exists():
            report.fault(f"{part.key} is missing")
            continue
        if digest(file) != part.sha256:
            report.fault(f"{part.key} is not what was signed")
            continue
        try:
            rows = [(row.index, leaf_hash(leaf_of(row))) for row in read_rows([file])]
        except ValueError as error:
            report.fault(f"{part.key}: {error}")
            continue
        if len(rows) != part.rows:
            report.fault(f"{part.key} has {len(rows)} entries, and {part.rows} were signed")
        leaves.update(rows)
    return leaves


def _check_root(report: ArchiveReport, tree: _Tree, parts: list[Manifest]) -> None:
    for manifest in parts:
        if manifest.checkpoint.size == tree.size and manifest.checkpoint.root != tree.root():
            report.fault(f"the first {tree.size} entries are not those that were signed")
            return
    report.checkpoint = parts[0].checkpoint
