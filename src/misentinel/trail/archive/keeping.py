"""What becomes of archived entries: the database lets go of them, Glacier gives them back, and at last they are
removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connections, transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.store.queries import get_store
from misentinel.trail.actions import record, record_control
from misentinel.trail.archive.catalogue import archived_size, list_parts, parts_with, pruned_size
from misentinel.trail.archive.contracts import Part, Stored, Tier
from misentinel.trail.archive.places import place
from misentinel.trail.archive.terms import get_terms
from misentinel.trail.contracts import Log, Tag
from misentinel.trail.models import ArchiveHead, Entry, Leaf, PendingCopy, RemovedPart

_AT_ONCE = 5000
RESTORED_DAYS = 7


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a restore is: parts by whether they can be read."""

    ready: int = 0
    restoring: int = 0
    cold: int = 0
    asked: int = 0

    @property
    def done(self) -> bool:
        return not self.restoring and not self.cold


def prune(actor: Actor, log: Log) -> int:
    """Removes entries from the database that are archived and past the log's hot days; returns how many. Their
    leaves, tiles and checkpoints stay, and proofs read them from the archive. Safe to repeat.

    Each object is looked up where it is kept first: what is not there stays in the database.
    """
    before = now() - timedelta(days=get_terms(log.customer_id).hot_days)
    start = pruned_size(log)
    end = _end_of_kept(log, start, before)
    if end <= start:
        return 0
    with transaction.atomic(using=log.alias), connections[log.alias].cursor() as cursor:
        head = ArchiveHead.objects.using(log.alias).select_for_update().get(id=1)
        cursor.execute("SELECT trail_let_go(%s, %s, %s)", [start, end, before])
        removed = int(cursor.fetchone()[0])
        if not removed:
            return 0
        head.pruned = _first_left(log, start, end)
        head.save(using=log.alias, update_fields=["pruned"])
        _tell(actor, log, Tag.ARCHIVE_PRUNE, {"start": start, "end": end, "count": removed})
    return removed


def _end_of_kept(log: Log, start: int, before: datetime) -> int:
    """The index up to which every entry is archived, and its object where it should be."""
    if log.customer_id is None and PendingCopy.objects.filter(created_at__lt=before).exists():
        return start
    kept, limit = place(), min(archived_size(log), start + _AT_ONCE)
    for part in parts_with(log, start, limit):
        there = kept.look(part.key, part.version)
        if there is None or there.sha256 != part.sha256 or there.size != part.bytes:
            return max(start, part.start)
    return limit


def _first_left(log: Log, start: int, end: int) -> int:
    """The first index whose entry the database still has; those before it need not be looked at again."""
    leaves = Leaf.objects.using(log.alias).filter(index__gte=start, index__lt=end)
    left = leaves.filter(entry_id__in=Entry.objects.using(log.alias).values("id"))
    found = left.order_by("index").values_list("index", flat=True).first()
    return end if found is None else found


def restore(
    actor: Actor, log: Log, *, since: date | None = None, until: date | None = None, days: int = RESTORED_DAYS
) -> Progress:
    """Asks for every cold part of these days to be readable, and tells how far that is. Safe to repeat: that is how
    one waits.
    """
    kept, counts, asked = place(), dict.fromkeys(Tier, 0), 0
    for part, there in stored_parts(log, since=since, until=until):
        tier = there.tier if there is not None else Tier.COLD
        if tier is Tier.COLD:
            kept.restore(part.key, part.version, days=days)
            asked += 1
        counts[tier] += 1
    if asked:
        told = {"count": asked, "since": str(since or ""), "until": str(until or ""), "days": days}
        with transaction.atomic(using=log.alias):
            _tell(actor, log, Tag.ARCHIVE_RESTORE, told)
    ready = counts[Tier.READY] + counts[Tier.RESTORED]
    return Progress(ready, counts[Tier.RESTORING], counts[Tier.COLD], asked)


def stored_parts(log: Log, *, since: date | None = None, until: date | None = None) -> list[tuple[Part, Stored | None]]:
    kept = place()
    return [(part, kept.look(part.key, part.version)) for part in list_parts(log, since=since, until=until)]


def remove_expired(actor: Actor, log: Log) -> int:
    """Removes objects whose retention is over and that nobody holds, once the database has let go of their entries;
    returns how many. That they are gone is an entry. Safe to repeat.
    """
    kept, terms, removed = place(), get_terms(log.customer_id), 0
    if terms.hold:
        return 0
    for part in list_parts(log, until=now().date() - timedelta(days=terms.retention_days)):
        there = kept.look(part.key, part.version)
        if there is not None and (there.held or there.retain_until is None or there.retain_until > now()):
            continue
        if _is_in_database(log, part):
            continue
        with transaction.atomic(using=log.alias):
            RemovedPart.objects.using(log.alias).create(key=part.key)
            _tell(actor, log, Tag.ARCHIVE_REMOVE, {"sha256": part.sha256, "rows": part.rows, "manifest": part.manifest})
            if there is not None:  # else it went before, and the commit after it did not
                kept.remove(part.key, part.version)
        removed += 1  # its manifest stays, and shows what was there
    return removed


def _is_in_database(log: Log, part: Part) -> bool:
    places = Leaf.objects.using(log.alias).filter(index__gte=part.first, index__lte=part.last).values("entry_id")
    return Entry.objects.using(log.alias).filter(id__in=places, at__date=part.day).exists()


def _tell(actor: Actor, log: Log, tag: Tag, details: dict[str, object]) -> None:
    if log.customer_id is None:
        record_control(actor, tag, object_kind="archive", object_id=log.origin, details=details)
    else:
        record(get_store(log.customer_id), actor, tag, object_kind="archive", object_id=log.origin, details=details)
