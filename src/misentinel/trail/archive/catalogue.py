"""What the archive of a log consists of, as the log's own database knows it."""

from __future__ import annotations

from datetime import date

from django.db.models import Max

from misentinel.trail.archive.contracts import Part
from misentinel.trail.contracts import Log
from misentinel.trail.models import ArchivedPart, ArchiveHead, RemovedPart


def archived_size(log: Log) -> int:
    """How many entries are archived: those with an index below this."""
    return ArchivedPart.objects.using(log.alias).aggregate(size=Max("end"))["size"] or 0


def pruned_size(log: Log) -> int:
    return ArchiveHead.objects.using(log.alias).filter(id=1).values_list("pruned", flat=True).first() or 0


def list_parts(log: Log, *, since: date | None = None, until: date | None = None) -> list[Part]:
    """Returns the parts that are there, in order, of days from `since` to `until`, both included."""
    removed = RemovedPart.objects.using(log.alias).values("key")
    rows = ArchivedPart.objects.using(log.alias).exclude(key__in=removed).order_by("start", "key")
    if since is not None:
        rows = rows.filter(day__gte=since)
    if until is not None:
        rows = rows.filter(day__lte=until)
    return [_part(row) for row in rows]


def parts_with(log: Log, first: int, end: int) -> list[Part]:
    """Returns the parts that may hold entries with indexes from `first` up to, not including, `end`."""
    removed = RemovedPart.objects.using(log.alias).values("key")
    rows = ArchivedPart.objects.using(log.alias).filter(first__lt=end, last__gte=first).exclude(key__in=removed)
    return [_part(row) for row in rows.order_by("start", "key")]


def _part(row: ArchivedPart) -> Part:
    return Part(
        row.key, row.class_uid, row.day, row.start, row.end, row.first, row.last, row.rows, row.bytes, row.sha256,
        row.version, row.manifest,
    )  # fmt: skip
