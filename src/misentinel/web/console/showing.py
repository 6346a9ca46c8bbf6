"""People and what they did, as the pages show them: a title, initials, flat lists of names and values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from misentinel.events.contracts import EventView
from misentinel.messages.contracts import DeliveryView
from misentinel.people.contracts import Person
from misentinel.web.console.rendering import initials

_MOST_VALUES = 60
_FIRST = ("name", "firstName", "first_name", "lastName", "last_name", "email", "phone")
_TITLES = {
    "identify": "Identified", "group": "Joined group", "alias": "Identifiers joined",
    "page": "Saw page", "screen": "Saw screen",
}  # fmt: skip


def person_row(person: Person) -> dict[str, Any]:
    """Returns what lists say of a person. Who has no name goes by their address, then their user id."""
    title = person.name or person.email or person.user_id or "Anonymous visitor"
    return {
        "id": person.id,
        "title": title,
        "initials": initials(title) if title != "Anonymous visitor" else "?",
        "email": person.email,
        "user_id": person.user_id,
        "anonymous_ids": person.anonymous_ids,
        "first_seen": person.created_at,
        "last_seen": person.last_seen_at,
    }


def event_item(event: EventView) -> dict[str, Any]:
    """Returns what a timeline says of an event; nothing of its content where the person was erased."""
    document = event.document or {}
    said = document.get("traits") if event.type in ("identify", "group") else document.get("properties")
    name = event.name if event.type == "track" else f"{_TITLES.get(event.type, event.type)} {event.name}".strip()
    return {
        "kind": "event",
        "at": event.at,
        "title": name,
        "properties": flat(said) if isinstance(said, Mapping) else [],
    }


def delivery_item(delivery: DeliveryView, message_name: str) -> dict[str, Any]:
    """Returns what a timeline says of a message to this person."""
    return {
        "kind": "delivery",
        "at": delivery.ended_at or delivery.due_at,
        "title": message_name,
        "url": f"/messages/{delivery.message_id}",
        "state": delivery.state.value,
        "note": delivery.reason.value.replace("_", " ").capitalize() if delivery.reason else "",
    }


def flat(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns a document as dotted names and values, those that tell who it is first."""
    pairs = list(_pairs("", document))[:_MOST_VALUES]
    return sorted(pairs, key=lambda pair: _FIRST.index(pair[0]) if pair[0] in _FIRST else len(_FIRST))


def _pairs(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [pair for name, inner in value.items() for pair in _pairs(f"{prefix}.{name}".strip("."), inner)]
    if isinstance(value, list):
        return [(prefix, ", ".join(map(_text, value)))]
    return [(prefix, _text(value))]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
