"""People: found by how they begin, and one person's profile with what they did and who looked at them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse

from misentinel.events.contracts import EventView
from misentinel.events.queries import timeline
from misentinel.kernel.ids import parse_id
from misentinel.messages.contracts import DeliveryView
from misentinel.messages.queries.deliveries import is_unsubscribed, list_latest
from misentinel.messages.queries.messages import list_messages
from misentinel.people.contracts import Person
from misentinel.people.queries import find_by_email, find_by_user_id, get_person, list_people, open_many
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web.console.examples import identify_command
from misentinel.web.console.naming import Names
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.console.showing import delivery_item, event_item, flat, person_row
from misentinel.web.gate import Gate

_PAGE = 50
_EVENTS = 40
_LOOKS = 8
_DELIVERIES = 200


@routes.get("people", needs=Permission.USER_DATA, tag=Tag.PERSON_LIST, name="people")
def people(gate: Gate) -> HttpResponse:
    return _list(gate, "", gate.request.GET.get("after", ""))


@routes.post("people", needs=Permission.USER_DATA, tag=Tag.PERSON_LIST, name="people")
def search(gate: Gate) -> HttpResponse:
    """Names and addresses have no place in a URL: browsers remember it, and whatever stands between may log it."""
    return _list(gate, gate.request.POST.get("q", "").strip()[:200], gate.request.POST.get("after", ""))


def _list(gate: Gate, query: str, mark: str) -> HttpResponse:
    after = parse_id(mark)
    page = list_people(gate.store, search=query, after=after, limit=_PAGE)
    found = {**(_exactly(gate, query) if query and not after else {}), **{each.id: each for each in page.people}}
    gate.looks_at(object_kind="person", count=len(found), searched=bool(query), shown=sorted(map(str, found)))
    context = {
        "query": query,
        "people": [person_row(person) for person in found.values()],
        "identify_command": identify_command(),
        "after": after,
        "next": page.next,
        "page": {
            "first_url": reverse("people") if after else "",
            "next_url": f"{reverse('people')}?after={page.next}" if page.next else "",
        },
    }
    return render(gate, "console/people/list.html", context)


@routes.get("people/<uuid:person_id>", needs=Permission.USER_DATA, tag=Tag.PERSON_VIEW, name="person")
def profile(gate: Gate, person_id: UUID) -> HttpResponse:
    person = get_person(gate.store, person_id)
    gate.looks_at(object_kind="person", object_id=person.id, person_id=person.id)
    before = _position(gate.request.GET.get("before", ""), person.id)
    events = timeline(gate.store, person.id, after=before, limit=_EVENTS + 1)
    context = {
        "person": person_row(person),
        "attributes": flat(person.traits),
        "timeline": _merged(gate, person.id, events, before),
        "subscription": "Unsubscribed" if is_unsubscribed(gate.store, person.id) else "",
        "looks": _looks(gate, person.id) if gate.may(Permission.TRAIL) else None,
        "page": {
            "first_url": reverse("person", kwargs={"person_id": person.id}) if before else "",
            "next_url": f"?before={_mark(events[_EVENTS - 1])}" if len(events) > _EVENTS else "",
        },
    }
    return render(gate, "console/people/profile.html", context)


def _merged(gate: Gate, person_id: UUID, events: list[EventView], before: EventView | None) -> list[dict[str, Any]]:
    """Events and deliveries of one page, latest first: each delivery stands on the page of the events around it."""
    shown, more = events[:_EVENTS], len(events) > _EVENTS
    deliveries = list_latest(gate.store, person_id=person_id, limit=_DELIVERIES)
    newest = before.at if before else None
    oldest = shown[-1].at if shown and more else None
    names = {message.id: message.draft.name for message in list_messages(gate.store)} if deliveries else {}
    around = [
        delivery_item(delivery, names.get(delivery.message_id, "A deleted message"))
        for delivery in deliveries
        if (newest is None or _moment(delivery) <= newest) and (oldest is None or _moment(delivery) > oldest)
    ]
    return sorted([*map(event_item, shown), *around], key=lambda item: item["at"], reverse=True)


def _moment(delivery: DeliveryView) -> datetime:
    return delivery.ended_at or delivery.due_at


def _exactly(gate: Gate, query: str) -> dict[UUID, Person]:
    """Whoever has just this user id or this address."""
    by_user_id = find_by_user_id(gate.store, query)
    by_email = find_by_email(gate.store, query) if "@" in query else []
    return open_many(gate.store, [*([by_user_id] if by_user_id else []), *by_email[:_PAGE]])


def _looks(gate: Gate, person_id: UUID) -> list[dict[str, Any]]:
    names = Names(gate.customer_id)
    wanted = EntryFilter(tag=Tag.PERSON_VIEW, person_id=person_id)
    entries = list_entries(gate.store, wanted, limit=_LOOKS).entries
    return [{"at": entry.at, "who": names.who(entry.actor_kind, entry.actor_id)} for entry in entries]


def _mark(event: EventView) -> str:
    return f"{event.at.timestamp():.6f}~{event.id}"


def _position(mark: str, person_id: UUID) -> EventView | None:
    """Reads a page's mark back; what cannot be read starts from the top."""
    seconds, _, text = mark.partition("~")
    event_id = parse_id(text)
    try:
        at = datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return EventView(event_id, "", "", person_id, at, at, None) if event_id else None
