"""Sealed entries as items, from an index on, without a gap."""

from __future__ import annotations

import json
from uuid import UUID

from misentinel.kernel.errors import NotFound
from misentinel.trail.contracts import Log
from misentinel.trail.models import Entry, Head, Leaf
from misentinel.trail.ocsf import Row, to_ocsf
from misentinel.trail.queries.logs import rows_at
from misentinel.trail.shipping.contracts import Gap, Item
from misentinel.trail.shipping.personal import without_personal

LARGEST_BATCH = 1024 * 1024  # characters; one entry is sent whatever its size


def log_size(log: Log) -> int:
    """Returns how many entries are sealed."""
    return Head.objects.using(log.alias).filter(id=1).values_list("size", flat=True).first() or 0


def read_items(log: Log, first: int, most: int, *, personal: bool) -> list[Item]:
    """Returns up to `most` items from index `first` on, as many as `LARGEST_BATCH` holds. Raises `Gap` where the log
    lacks one that it has sealed.
    """
    places = list(
        Leaf.objects.using(log.alias).filter(index__gte=first).order_by("index").values_list("index", "entry_id")[:most]
    )
    if not places and log_size(log) > first:
        raise Gap(f"Entry {first} of the log is missing: verify the log.")
    rows = _rows(log, dict(places))
    items: list[Item] = []
    size = 0
    for place, (index, entry_id) in enumerate(places, start=first):
        if index != place or entry_id not in rows:
            if items:
                break  # what is before it goes out; the next run finds the gap at its beginning
            raise Gap(f"Entry {place} of the log is missing: verify the log.")
        item = item_of(rows[entry_id], index, personal=personal)
        size += len(item.body)
        if items and size > LARGEST_BATCH:
            break
        items.append(item)
    return items


def _rows(log: Log, ids: dict[int, UUID]) -> dict[UUID, Row]:
    """Those of the entries that there are, from the archive where the database has let go of them."""
    rows: dict[UUID, Row] = dict(Entry.objects.using(log.alias).in_bulk(list(ids.values())))
    gone = {index: entry_id for index, entry_id in ids.items() if entry_id not in rows}
    try:
        return rows | dict(zip(gone.values(), rows_at(log, gone), strict=True))
    except NotFound:
        return rows


def item_of(entry: Row, index: int, *, personal: bool) -> Item:
    """Returns the entry as it goes out; without `personal`, nothing personal of it."""
    event = to_ocsf(entry if personal else without_personal(entry), index)
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=True)
    return Item(index, entry.id, entry.at, entry.tag, event["severity_id"], body)
