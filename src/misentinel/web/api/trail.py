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
    tag: str = ""
    outcome: str = ""
    actor_id: str = ""
    object_id: str = ""
    person_id: UUID | None = None
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
            wanted[name] = _in_utc(name, wanted[name])
    page = trail.list_entries(gate_of(request).store, EntryFilter(**wanted), after=query.after, limit=query.limit)
    gate_of(request).looks_at(object_kind="trail", count=len(page.entries))
    return {"entries": [asdict(e) for e in page.entries], "next": page.next}


def _in_utc(name: str, at: datetime) -> datetime:
    """PostgreSQL knows no zone further than 16 hours away, Python does."""
    if at.tzinfo is None:
        raise Invalid(f"{name} needs a time zone, for example 2026-03-01T00:00:00Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Invalid(f"{name} is no moment between the years 1 and 9999.") from None


@api.get("trail/{entry_id}", response=SealedEntryOut, summary="Show one entry, with what was sealed")
@declares(Permission.TRAIL, Tag.TRAIL_VIEW)
def get_trail_entry(request: HttpRequest, entry_id: UUID) -> EntryView:
    gate_of(request).looks_at(object_kind="entry", object_id=entry_id)
    return trail.get_entry(gate_of(request).store, entry_id)
