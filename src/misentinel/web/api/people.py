"""People over REST: to read, with a token that holds the permission for user data."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Schema

from misentinel.events import queries as events
from misentinel.kernel.errors import Invalid
from misentinel.people import queries as people
from misentinel.people.contracts import Person
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.api.rest import api, declares, gate_of

LARGEST_PAGE = 200


class PersonOut(Schema):
    id: UUID
    user_id: str
    anonymous_ids: list[str]
    traits: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime


class PeoplePageOut(Schema):
    """The latest made first; `next`, where there is one, goes into `after` for the page that follows."""

    people: list[PersonOut]
    next: UUID | None


class PeopleQuery(Schema):
    after: UUID | None = None
    limit: int = 50


class PeopleSearch(PeopleQuery):
    """Each word of `search` must begin a word of a name, an address or the user id."""

    search: str


@api.get("people", response=PeoplePageOut, summary="List people")
@declares(Permission.USER_DATA, Tag.PERSON_LIST)
def list_people(request: HttpRequest, query: Query[PeopleQuery]) -> dict[str, Any]:
    return _page(request, query, "")


@api.post("people/search", response=PeoplePageOut, summary="Search people; names and addresses stay out of the URL")
@declares(Permission.USER_DATA, Tag.PERSON_LIST, looks=True)
def search_people(request: HttpRequest, query: PeopleSearch) -> dict[str, Any]:
    return _page(request, query, query.search)


def _page(request: HttpRequest, query: PeopleQuery, search: str) -> dict[str, Any]:
    if not 1 <= query.limit <= LARGEST_PAGE:
        raise Invalid(f"limit is from 1 to {LARGEST_PAGE}.")
    gate = gate_of(request)
    page = people.list_people(gate.store, search=search, after=query.after, limit=query.limit)
    shown = sorted(str(person.id) for person in page.people)
    gate.looks_at(object_kind="person", count=len(shown), searched=bool(search), shown=shown)
    return {"people": page.people, "next": page.next}


@api.get("people/{person_id}", response=PersonOut, summary="Show one person")
@declares(Permission.USER_DATA, Tag.PERSON_VIEW)
def get_person(request: HttpRequest, person_id: UUID) -> Person:
    gate = gate_of(request)
    gate.looks_at(object_kind="person", object_id=person_id, person_id=person_id)
    return people.get_person(gate.store, person_id)


class EventOut(Schema):
    id: UUID
    type: str
    name: str
    at: datetime
    document: dict[str, Any] | None


class TimelineOut(Schema):
    """The latest first; `next`, where there is one, goes into `after` for the page that follows."""

    events: list[EventOut]
    next: UUID | None


class TimelineQuery(Schema):
    after: UUID | None = None
    limit: int = 50


@api.get("people/{person_id}/events", response=TimelineOut, summary="List what a person did")
@declares(Permission.USER_DATA, Tag.PERSON_VIEW)
def list_events(request: HttpRequest, person_id: UUID, query: Query[TimelineQuery]) -> Any:
    if not 1 <= query.limit <= LARGEST_PAGE:
        raise Invalid(f"limit is from 1 to {LARGEST_PAGE}.")
    gate = gate_of(request)
    gate.looks_at(object_kind="person", object_id=person_id, person_id=person_id, part="events")
    person = people.get_person(gate.store, person_id)
    after = events.find_event(gate.store, person.id, query.after) if query.after else None
    if query.after and after is None:
        raise Invalid("after is not one of this person's events.")
    page = events.timeline(gate.store, person.id, after=after, limit=query.limit)
    return {"events": page, "next": page[-1].id if len(page) == query.limit else None}
