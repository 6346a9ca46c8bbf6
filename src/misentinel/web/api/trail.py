"""The trail over REST."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Schema

from misentinel.kernel.errors import Invalid
from misentinel.teammates.contracts import Permission
from misentinel.trail import queries as trail
from misentinel.trail.contracts import EntryFilter, EntryView, Tag
from misentinel.web.api.rest import api, declares, gate_of


class EntryOut(Schema):
    """One entry of the trail. What is sealed is shown by the single entry alone."""

    id: UUID
    at: datetime
    tag: str
    outcome: str
    actor_kind: str
    actor_id: str
    credential: str
    address: str
    object_kind: str
    object_id: str
    person_id: UUID | None
    request_id: str
    details: dict[str, Any]


class SealedEntryOut(EntryOut):
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    sealed_unreadable: bool


class EntryPage(Schema):
    """Newest first; `next`, where there is one, goes into `after` for the page that follows."""

    entries: list[EntryOut]
    next: UUID | None


class EntryQuery(Schema):
    """`tag` may end in a colon, as "person:", for all of that noun; `seen_person` finds the looks that showed them."""

    tag: str = ""
    outcome: str = ""
    actor_kind: str = ""
    actor_id: str = ""
    object_kind: str = ""
    object_id: str = ""
    person_id: UUID | None = None
    seen_person: UUID | None = None
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


@api.get("trail", response=EntryPage, summary="List the trail")
@declares(Permission.TRAIL, Tag.TRAIL_LIST)
def list_trail(request: HttpRequest, query: Query[EntryQuery]) -> dict[str, Any]:
    wanted = query.dict(exclude={"after", "limit"})
    for name in ("since", "until"):
        if wanted[name] is not None:
            wanted[name] = in_utc(name, wanted[name])
    page = trail.list_entries(gate_of(request).store, EntryFilter(**wanted), after=query.after, limit=query.limit)
    gate_of(request).looks_at(object_kind="trail", count=len(page.entries))
    return {"entries": [asdict(e) for e in page.entries], "next": page.next}


def in_utc(name: str, at: datetime) -> datetime:
    """PostgreSQL knows no zone further than 16 hours away, Python does."""
    if at.tzinfo is None:
        raise Invalid(f"{name} needs a time zone, for example 2026-03-01T00:00:00Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Invalid(f"{name} is no moment between the years 1 and 9999.") from None


class ReaderOut(Schema):
    """`/api/trail` lists the entries behind it: the same `seen_person`, `since` and `until`, with this actor."""

    actor_kind: str
    actor_id: str
    looks: int
    first: datetime
    last: datetime


class ReadersOut(Schema):
    """Who looked most first. Where `complete_since` is later than `since`, earlier looks are in the archive alone."""

    readers: list[ReaderOut]
    complete_since: datetime | None


class ReadersQuery(Schema):
    person_id: UUID
    since: datetime
    until: datetime


@api.get("trail/readers", response=ReadersOut, summary="Count who saw a person's data")
@declares(Permission.TRAIL, Tag.TRAIL_LIST)
def list_readers(request: HttpRequest, query: Query[ReadersQuery]) -> dict[str, Any]:
    gate = gate_of(request)
    since, until = in_utc("since", query.since), in_utc("until", query.until)
    found = trail.list_readers(gate.store, query.person_id, since=since, until=until)
    gate.looks_at(object_kind="person", object_id=query.person_id, count=len(found), view="readers")
    return {"readers": [asdict(reader) for reader in found], "complete_since": trail.complete_since(gate.store)}


@api.get("trail/{entry_id}", response=SealedEntryOut, summary="Show one entry, with what was sealed")
@declares(Permission.TRAIL, Tag.TRAIL_VIEW)
def get_trail_entry(request: HttpRequest, entry_id: UUID) -> EntryView:
    gate_of(request).looks_at(object_kind="entry", object_id=entry_id)
    entry = trail.get_entry(gate_of(request).store, entry_id)
    gate_of(request).looks_at(object_kind="entry", object_id=entry_id, person_id=entry.person_id)
    return entry
