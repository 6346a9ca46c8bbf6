"""Who saw a person's data: looks at them alone and lists they stood in, counted by reader."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Min

from misentinel.store.contracts import Store
from misentinel.trail.contracts import EntryFilter, Reader
from misentinel.trail.models import ArchiveHead, Entry
from misentinel.trail.queries.entries import narrowed


def list_readers(store: Store, person_id: UUID, *, since: datetime | None, until: datetime | None) -> list[Reader]:
    """Returns who saw this person from `since` until before `until`, who looked most first.

    The entries behind each are those of an `EntryFilter` with the same `seen_person`, actor and times.
    """
    wanted = EntryFilter(seen_person=person_id, since=since, until=until)
    counted = (
        narrowed(Entry.objects.using(store.alias).all(), wanted)
        .values("actor_kind", "actor_id")
        .annotate(looks=Count("id"), first=Min("at"), last=Max("at"))
        .order_by("-looks", "-last")
    )
    return [Reader(**row) for row in counted]


def complete_since(store: Store) -> datetime | None:
    """Returns since when the database has every entry, older ones being archived; None if it has let go of none."""
    if not ArchiveHead.objects.using(store.alias).filter(pruned__gt=0).exists():
        return None
    return Entry.objects.using(store.alias).order_by("at").values_list("at", flat=True).first()
