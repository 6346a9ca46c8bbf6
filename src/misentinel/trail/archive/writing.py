"""Writing the archive: first the plan, then the objects, then that they are there.

A batch ends where a checkpoint does and is planned before its first object is written, so a second try after a crash
writes the same keys with the same rows. What is recorded as archived was read back and compared with the log's hashes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.db import transaction

from misentinel.kernel import canonical
from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Tampered
from misentinel.store.queries import get_store
from misentinel.trail.actions import record, record_control
from misentinel.trail.archive.contracts import Part, Terms, Written
from misentinel.trail.archive.folder import digest
from misentinel.trail.archive.layout import Manifest, account_of, manifest_key, part_key
from misentinel.trail.archive.parquet import read_rows, row_of, write_parquet
from misentinel.trail.archive.places import place
from misentinel.trail.archive.ports import ArchivePlace
from misentinel.trail.archive.terms import get_terms, retained_until
from misentinel.trail.contracts import Log, Tag
from misentinel.trail.models import ArchivedPart, ArchiveHead, Entry, Head, Leaf, SignedCheckpoint
from misentinel.trail.ocsf import class_of
from misentinel.trail.queries.logs import read_tile, signers
from misentinel.trail.rules.checkpoints import Checkpoint
from misentinel.trail.rules.leaves import leaf_of
from misentinel.trail.rules.merkle import HASH_BYTES, leaf_hash
from misentinel.trail.rules.notes import Note
from misentinel.trail.rules.tiles import WIDTH

MOST_ROWS, WORTH_IT = 100_000, 25_000
_READ = 1000
_OWN = (Tag.ARCHIVE_WRITE, Tag.ARCHIVE_PRUNE)  # what the worker's own run adds is not worth another
_Group = tuple[int, date]


def write_archive(actor: Actor, log: Log, *, at_once: bool = True) -> Written:
    """Archives the next batch of sealed entries and returns it; an empty one where there is nothing to do. Safe to
    repeat.

    Unless `at_once`, a batch waits until it is large or its first entry is of a day that is over, and one of nothing
    but the archive's own entries waits for others.
    """
    kept = place()
    end = _plan(log, at_once)
    if end is None:
        size = _head(log).size
        return Written(size, size)
    kept.prepare()
    with transaction.atomic(using=log.alias):
        head = ArchiveHead.objects.using(log.alias).select_for_update().get(id=1)
        if head.planned <= head.size:  # another process wrote it meanwhile
            return Written(head.size, head.size)
        start, end = head.size, head.planned
        with tempfile.TemporaryDirectory(prefix="archive-") as folder:
            parts = _write_parts(log, kept, Path(folder), start, end)
        for part in parts:
            _record(actor, log, part)
        head.size = end
        head.save(using=log.alias, update_fields=["size"])
    return Written(start, end, tuple(parts))


def _plan(log: Log, at_once: bool) -> int | None:
    """Where the next batch ends, kept for whoever has to try again; None where there is nothing to write."""
    with transaction.atomic(using=log.alias):
        _head(log)
        head = ArchiveHead.objects.using(log.alias).select_for_update().get(id=1)
        if head.planned > head.size:
            return head.planned
        ends = SignedCheckpoint.objects.using(log.alias).filter(size__gt=head.size)
        found = ends.filter(size__lte=head.size + MOST_ROWS).order_by("-size").first() or ends.order_by("size").first()
        if found is None or not (at_once or _is_due(log, head.size, found.size)):
            return None
        head.planned = found.size
        head.save(using=log.alias, update_fields=["planned"])
        return head.planned


def _is_due(log: Log, start: int, end: int) -> bool:
    if end - start >= WORTH_IT:
        return True
    waiting = Leaf.objects.using(log.alias).filter(index__gte=start, index__lt=end).values("entry_id")
    others = Entry.objects.using(log.alias).filter(id__in=waiting).exclude(tag__in=_OWN)
    oldest = others.order_by("at").values_list("at", flat=True).first()
    return oldest is not None and oldest.date() < now().date()


def _write_parts(log: Log, kept: ArchivePlace, folder: Path, start: int, end: int) -> list[Part]:
    checkpoint = _checkpoint(log, end)
    terms = get_terms(log.customer_id)
    groups = _sort_out(log, folder, start, end)
    parts = []
    for (class_uid, day), (lines, indexes) in sorted(groups.items()):
        file = lines.with_suffix(".parquet")
        write_parquet(lines, file)
        lines.unlink()
        _compare(log, file, indexes)
        key = part_key(class_uid, kept.region, account_of(log), day, start, end)
        part = Part(
            key, class_uid, day, start, end, indexes[0], indexes[-1], len(indexes), file.stat().st_size, digest(file)
        )
        parts.append(_keep(log, kept, part, file, checkpoint, terms))
        file.unlink()
    return parts


def _sort_out(log: Log, folder: Path, start: int, end: int) -> dict[_Group, tuple[Path, list[int]]]:
    """Writes each entry's row to the file of its class and day; returns the files and the indexes in each."""
    opened: dict[_Group, IO[bytes]] = {}
    groups: dict[_Group, tuple[Path, list[int]]] = {}
    with ExitStack() as files:
        for index, entry in sealed_entries(log, start, end):
            group = class_of(entry.tag).uid, entry.at.date()
            if group not in groups:
                path = folder / f"{group[0]}-{group[1]:%Y%m%d}.ndjson"
                opened[group] = files.enter_context(path.open("wb"))
                groups[group] = path, []
            opened[group].write(canonical.dumps(row_of(entry, index)) + b"\n")
            groups[group][1].append(index)
    return groups


def sealed_entries(log: Log, start: int, end: int) -> Iterator[tuple[int, Entry]]:
    """Yields entries of the database by their index. Raises `Tampered` where one is gone."""
    for first in range(start, end, _READ):
        places = Leaf.objects.using(log.alias).filter(index__gte=first, index__lt=min(end, first + _READ))
        ids = dict(places.order_by("index").values_list("index", "entry_id"))
        rows = Entry.objects.using(log.alias).in_bulk(list(ids.values()))
        for index, entry_id in ids.items():
            if entry_id not in rows:
                raise Tampered(f"Entry {index} of {log.origin} is gone from the database, and was never archived.")
            yield index, rows[entry_id]


def _compare(log: Log, file: Path, indexes: list[int]) -> None:
    """Reads the file back. Raises `Tampered` unless it holds exactly the entries that were sealed at these indexes."""
    tile, held = -1, b""
    found = []
    for row in read_rows([file]):
        if row.index // WIDTH != tile:
            tile = row.index // WIDTH
            held = read_tile(log, 0, tile)
        at = row.index % WIDTH * HASH_BYTES
        if leaf_hash(leaf_of(row)) != held[at : at + HASH_BYTES]:
            raise Tampered(f"Entry {row.index} of {log.origin} is not the one that was sealed, so it is not archived.")
        found.append(row.index)
    if found != indexes:
        raise Tampered("What was written to the archive cannot be read back whole. Try again.")


def _keep(log: Log, kept: ArchivePlace, part: Part, file: Path, checkpoint: Checkpoint, terms: Terms) -> Part:
    text = Manifest(log.origin, part, checkpoint).text
    head = Head.objects.using(log.alias).get(id=1)
    signed = str(Note(text, tuple(signer.sign(text) for signer in signers(log, head))))
    until = retained_until(part.day, terms)
    version = kept.put(part.key, file, part.sha256, retain_until=until, held=terms.hold)
    beside = file.with_suffix(".manifest")
    beside.write_text(signed)
    kept.put(manifest_key(part.key), beside, digest(beside), retain_until=until, held=terms.hold)
    return Part(
        part.key, part.class_uid, part.day, part.start, part.end, part.first, part.last, part.rows, part.bytes,
        part.sha256, version, signed,
    )  # fmt: skip


def _record(actor: Actor, log: Log, part: Part) -> UUID:
    ArchivedPart(
        key=part.key, class_uid=part.class_uid, day=part.day, start=part.start, end=part.end, first=part.first,
        last=part.last, rows=part.rows, bytes=part.bytes, sha256=part.sha256, version=part.version,
        manifest=part.manifest,
    ).save(using=log.alias, force_insert=True)  # fmt: skip
    told: dict[str, Any] = {"rows": part.rows, "start": part.start, "end": part.end, "manifest": part.manifest}
    if log.customer_id is None:
        return record_control(actor, Tag.ARCHIVE_WRITE, object_kind="archive_part", object_id=part.sha256, details=told)
    store = get_store(log.customer_id)
    return record(store, actor, Tag.ARCHIVE_WRITE, object_kind="archive_part", object_id=part.sha256, details=told)


def _checkpoint(log: Log, size: int) -> Checkpoint:
    note = SignedCheckpoint.objects.using(log.alias).get(size=size).note
    return Checkpoint.parse(Note.parse(note).text)


def _head(log: Log) -> ArchiveHead:
    head, _ = ArchiveHead.objects.using(log.alias).get_or_create(id=1)
    return head
