"""What teammates did, in the shape in which Intercom's API lists it: for programs that were written for that.

The same entries as `/api/trail`, which tells more of each and of everybody. Fields and parameters:
https://developers.intercom.com/docs/references/rest-api/api.intercom.io/admins/listactivitylogs
Its pages have numbers; ours have marks, because new entries would move what stands on a numbered page.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Schema

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries import list_teammates
from misentinel.trail import queries as trail
from misentinel.trail.contracts import EntryFilter, EntryView, Tag
from misentinel.web.api.rest import api, declares, gate_of

LARGEST_PAGE = 250
_AS_LONG = timedelta(days=30)


class PerformerOut(Schema):
    type: str
    id: str
    email: str | None
    ip: str


class ActivityOut(Schema):
    """`activity_type` is our tag; `created_at` is in seconds since 1970; `metadata` holds ids and counts, no name."""

    id: UUID
    performed_by: PerformerOut
    metadata: dict[str, Any]
    created_at: int
    activity_type: str
    activity_description: str


class NextOut(Schema):
    per_page: int
    starting_after: UUID


class PagesOut(Schema):
    type: str
    next: NextOut | None
    per_page: int


class ActivityPage(Schema):
    """Newest first; `pages.next`, where there is one, holds the parameters of the page that follows."""

    type: str
    pages: PagesOut
    activity_logs: list[ActivityOut]


class ActivityQuery(Schema):
    """Both moments are in seconds since 1970; left out, the last 30 days."""

    created_at_after: int | None = None
    created_at_before: int | None = None
    per_page: int = 20
    starting_after: UUID | None = None


@api.get("admins/activity_logs", response=ActivityPage, summary="List what teammates did, in Intercom's shape")
@declares(Permission.TRAIL, Tag.TRAIL_LIST)
def list_activity_logs(request: HttpRequest, query: Query[ActivityQuery]) -> dict[str, Any]:
    if not 1 <= query.per_page <= LARGEST_PAGE:
        raise Invalid(f"per_page is from 1 to {LARGEST_PAGE}.")
    gate = gate_of(request)
    until = _moment("created_at_before", query.created_at_before)
    since = _moment("created_at_after", query.created_at_after) or (until or now()) - _AS_LONG
    wanted = EntryFilter(actor_kind=ActorKind.TEAMMATE, since=since, until=until)
    page = trail.list_entries(gate.store, wanted, after=query.starting_after, limit=query.per_page)
    gate.looks_at(object_kind="trail", count=len(page.entries))
    staff = {str(each.id): (each.name or each.email, each.email) for each in list_teammates(gate.customer_id)}
    following = {"per_page": query.per_page, "starting_after": page.next} if page.next else None
    return {
        "type": "activity_log.list",
        "pages": {"type": "pages", "next": following, "per_page": query.per_page},
        "activity_logs": [_activity(entry, *staff.get(entry.actor_id, ("A teammate", None))) for entry in page.entries],
    }


def _activity(entry: EntryView, name: str, email: str | None) -> dict[str, Any]:
    about = f" on {entry.object_kind.replace('_', ' ')} {entry.object_id}".rstrip() if entry.object_kind else ""
    return {
        "id": entry.id,
        "performed_by": {"type": "admin", "id": entry.actor_id, "email": email, "ip": entry.address},
        "metadata": {
            **entry.details, "outcome": entry.outcome, "object": {"type": entry.object_kind, "id": entry.object_id},
            "person_id": entry.person_id, "request_id": entry.request_id,
        },
        "created_at": int(entry.at.timestamp()),
        "activity_type": entry.tag,
        "activity_description": f"{name}: {entry.tag.replace(':', ' ').replace('_', ' ')}{about}, {entry.outcome}.",
    }  # fmt: skip


def _moment(name: str, seconds: int | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Invalid(f"{name} is no moment between the years 1 and 9999.") from None
