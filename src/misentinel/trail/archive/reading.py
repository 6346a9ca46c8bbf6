"""Entries that are in the archive alone: what the log's bundles and proofs read where the database has let go of
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from misentinel.kernel.errors import NotFound
from misentinel.trail.archive.catalogue import parts_with
from misentinel.trail.archive.parquet import ArchivedRow, read_rows
from misentinel.trail.archive.places import local_file
from misentinel.trail.contracts import Log
from misentinel.trail.models import Leaf


def recall(log: Log, indexes: Iterable[int]) -> dict[int, ArchivedRow]:
    """Returns entries from the archive by their index. Raises `NotFound` where one was removed after its retention,
    `Cold` while it is in Glacier, `Tampered` where an object is not what was archived.
    """
    wanted = set(indexes)
    if not wanted:
        return {}
    first, end = min(wanted), max(wanted) + 1
    files = [local_file(part) for part in parts_with(log, first, end)]
    found = {row.index: row for row in read_rows(files, first, end) if row.index in wanted}
    if len(found) < len(wanted):
        raise NotFound(f"Entry {min(wanted - found.keys())} is not in the archive any more: its retention is over.")
    return found


def recall_entry(log: Log, entry_id: UUID) -> ArchivedRow | None:
    """Returns an entry from the archive by its id; None where the log has no such entry."""
    index = Leaf.objects.using(log.alias).filter(entry_id=entry_id).values_list("index", flat=True).first()
    return None if index is None else recall(log, [index])[index]
