"""The trail: a page of entries by filter, and one entry with what was changed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse

from misentinel.customers.queries import get_customer
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import EntryView, Tag
from misentinel.trail.queries import get_entry, latest_checkpoint, list_entries, log_of, log_state, prove
from misentinel.web.console.naming import Names
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.console.trail_filter import FilterForm, exports, found_by
from misentinel.web.gate import Gate


@routes.get("trail", needs=Permission.TRAIL, tag=Tag.TRAIL_LIST, name="trail")
def trail(gate: Gate) -> HttpResponse:
    names = Names(gate.customer_id)
    form = FilterForm(names.teammates, get_customer(gate.customer_id).time_zone, gate.request.GET)
    if not form.is_valid():
        return render(gate, "console/trail/list.html", {"form": form, "filtered": True, "more_open": True}, status=422)
    page, context = found_by(form, gate.request.path, partial(list_entries, gate.store))
    gate.looks_at(object_kind="trail", filters=sorted(form.asked), count=len(page.entries))
    context |= {
        "entries": [row(entry, names) for entry in page.entries],
        "exports": exports(form.asked) if gate.may(Permission.EXPORT) else [],
    }
    return render(gate, "console/trail/list.html", context)


@routes.get("trail/<uuid:entry_id>", needs=Permission.TRAIL, tag=Tag.TRAIL_VIEW, name="trail-entry")
def trail_entry(gate: Gate, entry_id: UUID) -> HttpResponse:
    entry = get_entry(gate.store, entry_id)
    gate.looks_at(object_kind="entry", object_id=entry.id, person_id=entry.person_id)
    seen = row(entry, Names(gate.customer_id))
    seen["details"] = [(name, _told(value)) for name, value in sorted(entry.details.items())]
    context = {"entry": seen, "changes": _changes(entry), "no_change": _no_change(entry)}
    return render(gate, "console/trail/entry.html", context)


@routes.get("trail/<uuid:entry_id>/proof", needs=Permission.TRAIL, tag=Tag.LOG_PROVE, name="trail-proof")
def proof(gate: Gate, entry_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="entry", object_id=entry_id)
    _, made = prove(log_of(gate.store), entry_id)
    return _file(str(made), f"{entry_id}.tlog-proof")


@routes.get("trail/verify", needs=Permission.TRAIL, tag=Tag.LOG_READ, name="trail-verify")
def verify(gate: Gate) -> HttpResponse:
    state = log_state(log_of(gate.store))
    gate.looks_at(object_kind="log", object_id=state.origin)
    context = {"log": state, "api_url": gate.request.build_absolute_uri("/api/log")}
    return render(gate, "console/trail/verify.html", context)


@routes.get("trail/verify/checkpoint", needs=Permission.TRAIL, tag=Tag.LOG_READ, name="trail-checkpoint")
def checkpoint(gate: Gate) -> HttpResponse:
    log = log_of(gate.store)
    gate.looks_at(object_kind="log", object_id=log.origin)
    return _file(str(latest_checkpoint(log)), "checkpoint")


def _file(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def row(entry: EntryView, names: Names) -> dict[str, Any]:
    """Returns an entry as the tables show it: the actor by name, the person by a link."""
    kind = entry.object_kind.replace("_", " ")
    person = entry.person_id is not None
    short = f"{kind} …{entry.object_id[-6:]}" if kind and len(entry.object_id) > 12 else f"{kind} {entry.object_id}"
    return {
        "id": entry.id,
        "at": entry.at,
        "tag": entry.tag,
        "outcome": entry.outcome,
        "who": names.who(entry.actor_kind, entry.actor_id),
        "actor_id": entry.actor_id,
        "credential": entry.credential,
        "address": entry.address,
        "object": f"person …{str(entry.person_id)[-6:]}" if person else short.strip(),
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "person_id": entry.person_id,
        "person_url": f"/people/{entry.person_id}" if person else "",
        "request_id": entry.request_id,
        "count": entry.details.get("count"),
    }


def _changes(entry: EntryView) -> list[dict[str, Any]]:
    before, after = entry.before or {}, entry.after or {}
    return [
        {
            "field": name,
            "before": _told(before.get(name)),
            "after": _told(after.get(name)),
            "changed": before.get(name) != after.get(name),
        }
        for name in sorted({*before, *after})
    ]


def _no_change(entry: EntryView) -> str:
    if entry.sealed_unreadable:
        return "The values were sealed under a key that has been destroyed. Nobody can read them any more."
    return "No values were recorded with this entry."


def _told(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(_told(item) for item in value) or "–"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)
