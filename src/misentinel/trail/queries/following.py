"""Following a log as it grows: by the index that sealing gives, which has no gap and never changes its order."""

from __future__ import annotations

from uuid import UUID

from misentinel.trail.contracts import EntryFilter, EntryView, Log
from misentinel.trail.models import Entry, Head, Leaf
from misentinel.trail.queries.entries import narrowed, view_of

_AT_ONCE = 1000


def newest_index(log: Log) -> int:
    """Returns the index that the next entry to be sealed will get."""
    return Head.objects.using(log.alias).filter(id=1).values_list("size", flat=True).first() or 0


def places_of(log: Log, entry_ids: list[UUID]) -> dict[UUID, int]:
    """Returns the index of each entry that is sealed."""
    found = Leaf.objects.using(log.alias).filter(entry_id__in=entry_ids)
    return dict(found.values_list("entry_id", "index"))


def follow(log: Log, wanted: EntryFilter, first: int) -> tuple[list[tuple[int, EntryView]], int]:
    """Returns the wanted entries from index `first` on, oldest first with their indexes, and where to go on.

    What is returned ends at the newest sealed entry or after a thousand places, whichever comes first.
    """
    places = dict(
        Leaf.objects.using(log.alias)
        .filter(index__gte=first, index__lt=first + _AT_ONCE)
        .values_list("entry_id", "index")
    )
    found = narrowed(Entry.objects.using(log.alias).filter(id__in=list(places)), wanted)
    entries = sorted(((places[entry.id], view_of(entry)) for entry in found), key=lambda pair: pair[0])
    return entries, max(places.values(), default=first - 1) + 1
