"""Reading the trail: pages of entries, and one entry with what was sealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from misentinel.kernel import canonical
from misentinel.kernel.errors import Invalid, Tampered
from misentinel.store.contracts import Store
from misentinel.trail.actions.recording import CONTROL_ALIAS
from misentinel.trail.contracts import EntryFilter, EntryView, Page, Tag
from misentinel.trail.models import Entry
from misentinel.trail.ocsf.vocabulary import MEANINGS
from misentinel.trail.queries.logs import find_row, log_of
from misentinel.trail.rules.leaves import Row
from misentinel.vault import queries as vault
from misentinel.vault.contracts import Place

_EQUAL = (
    "outcome", "actor_kind", "actor_id", "object_kind", "object_id", "person_id", "request_id", "customer_id",
)  # fmt: skip
_SHOWING = ("Read", "List", "Search", "Query", "Export")
SHOWS = frozenset(tag for tag, meaning in MEANINGS.items() if meaning.activity in _SHOWING)
"""Tags of what shows the person that its entry names."""
LARGEST_PAGE = 500


def list_entries(
    store: Store, wanted: EntryFilter | None = None, *, after: UUID | None = None, limit: int = 50
) -> Page:
    """Returns a page of the customer's trail, newest first."""
    return _page(Entry.objects.using(store.alias).all(), wanted or EntryFilter(), after, limit)


def list_platform_entries(wanted: EntryFilter | None = None, *, after: UUID | None = None, limit: int = 50) -> Page:
    """Returns a page of the operator's platform log, newest first."""
    return _page(Entry.objects.using(CONTROL_ALIAS).all(), wanted or EntryFilter(), after, limit)


def all_entries(store: Store, wanted: EntryFilter) -> Iterator[EntryView]:
    """Every such entry, newest first, read page by page: what is written meanwhile is newer and not among them."""
    after = None
    while True:
        page = list_entries(store, wanted, after=after, limit=LARGEST_PAGE)
        yield from page.entries
        if (after := page.next) is None:
            return


def get_entry(store: Store, entry_id: UUID, *, opened: bool = True) -> EntryView:
    """Returns one entry, with `before` and `after` opened unless told otherwise. Raises `NotFound`."""
    entry = find_row(log_of(store), entry_id)
    return view_of(entry, _open(store, entry) if opened else None)


def _page(entries: QuerySet[Entry], wanted: EntryFilter, after: UUID | None, limit: int) -> Page:
    limit = max(1, min(limit, LARGEST_PAGE))
    entries = narrowed(entries, wanted)
    if after:
        entries = entries.filter(id__lt=after)
    found = list(entries.order_by("-id")[: limit + 1])
    return Page([view_of(e) for e in found[:limit]], found[limit - 1].id if len(found) > limit else None)


def narrowed(entries: QuerySet[Entry], wanted: EntryFilter) -> QuerySet[Entry]:
    """Returns those that were asked for. Raises `Invalid` for what no text in the database can be."""
    for name in ("tag", *_EQUAL):
        value = getattr(wanted, name)
        if "\0" in str(value):
            raise Invalid(f"{name} may not contain the character U+0000.")
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value not in ("", None):
            entries = entries.filter(**{name: value})
    if wanted.tag:
        tags = [tag.value for tag in Tag if tag.startswith(wanted.tag)] if wanted.tag.endswith(":") else [wanted.tag]
        entries = entries.filter(tag__in=tags)
    if wanted.seen_person:
        entries = entries.filter(_shows(wanted.seen_person))
    if wanted.access:
        entries = entries.filter(details__access=wanted.access)
    if wanted.since:
        entries = entries.filter(at__gte=wanted.since)
    if wanted.until:
        entries = entries.filter(at__lt=wanted.until)
    return entries


def _shows(person_id: UUID) -> Q:
    """A list tells whom it showed as `shown`; that it has the key lets the database use an index of lists alone."""
    in_a_list = Q(details__has_key="shown") & Q(details__shown__contains=[str(person_id)])
    return Q(person_id=person_id, tag__in=sorted(SHOWS)) | in_a_list


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


def view_of(entry: Row, opened: dict[str, Any] | None = None) -> EntryView:
    return EntryView(
        entry.id, entry.at, entry.tag, entry.outcome, entry.actor_kind, entry.actor_id, entry.credential, entry.address,
        entry.object_kind, entry.object_id, entry.person_id, entry.request_id, entry.details,
        customer_id=entry.customer_id, **(opened or {}),
    )  # fmt: skip
