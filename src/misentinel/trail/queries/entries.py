"""Reading the trail: pages of entries, and one entry with what was sealed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from misentinel.kernel import canonical
from misentinel.kernel.errors import Invalid, Tampered
from misentinel.store.contracts import Store
from misentinel.trail.actions.recording import CONTROL_ALIAS
from misentinel.trail.contracts import EntryFilter, EntryView, Page
from misentinel.trail.models import Entry
from misentinel.trail.queries.logs import find_row, log_of
from misentinel.trail.rules.leaves import Row
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Place

_EQUAL = (
    "tag", "outcome", "actor_kind", "actor_id", "object_kind", "object_id", "person_id", "request_id",
)  # fmt: skip
LARGEST_PAGE = 500


def list_entries(
    store: Store, wanted: EntryFilter | None = None, *, after: UUID | None = None, limit: int = 50
) -> Page:
    """Returns a page of the customer's trail, newest first."""
    return _page(Entry.objects.using(store.alias).all(), wanted or EntryFilter(), after, limit)


def list_platform_entries(wanted: EntryFilter | None = None, *, after: UUID | None = None, limit: int = 50) -> Page:
    """Returns a page of the operator's platform log, newest first."""
    return _page(Entry.objects.using(CONTROL_ALIAS).all(), wanted or EntryFilter(), after, limit)


def get_entry(store: Store, entry_id: UUID, *, opened: bool = True) -> EntryView:
    """Returns one entry, with `before` and `after` opened unless told otherwise. Raises `NotFound`."""
    entry = find_row(log_of(store), entry_id)
    return _view(entry, _open(store, entry) if opened else None)


def _page(entries: QuerySet[Entry], wanted: EntryFilter, after: UUID | None, limit: int) -> Page:
    limit = max(1, min(limit, LARGEST_PAGE))
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value not in ("", None):
            if "\0" in str(value):
                raise Invalid(f"{name} may not contain the character U+0000.")
            entries = entries.filter(**{name: value})
    if wanted.access:
        entries = entries.filter(details__access=wanted.access)
    if wanted.since:
        entries = entries.filter(at__gte=wanted.since)
    if wanted.until:
        entries = entries.filter(at__lt=wanted.until)
    if after:
        entries = entries.filter(id__lt=after)
    found = list(entries.order_by("-id")[: limit + 1])
    return Page([_view(e) for e in found[:limit]], found[limit - 1].id if len(found) > limit else None)


def _open(store: Store, entry: Row) -> dict[str, Any]:
    subject = entry.person_id or store.customer_id
    key = vault.person_keys(store.customer_id, [subject]).get(subject)
    opened: dict[str, Any] = {}
    for column in ("before", "after"):
        sealed = getattr(entry, column)
        if sealed is None:
            continue
        try:
            if key is None:
                raise Tampered("The key is destroyed.")
            opened[column] = canonical.loads(key.open(Place("trail_entry", column, str(entry.id)), bytes(sealed)))
        except Tampered:
            opened["sealed_unreadable"] = True
    return opened


def _view(entry: Row, opened: dict[str, Any] | None = None) -> EntryView:
    return EntryView(
        entry.id, entry.at, entry.tag, entry.outcome, entry.actor_kind, entry.actor_id, entry.credential, entry.address,
        entry.object_kind, entry.object_id, entry.person_id, entry.request_id, entry.details, **(opened or {}),
    )  # fmt: skip
