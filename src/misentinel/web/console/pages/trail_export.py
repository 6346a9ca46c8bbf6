"""The filtered trail as a file: every entry that the list would show, on all of its pages, sealed values left out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from io import StringIO

import orjson
from django.http import StreamingHttpResponse

from misentinel.customers.queries import get_customer
from misentinel.kernel import canonical
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import EntryView, Tag
from misentinel.trail.queries import all_entries
from misentinel.web.console.naming import Names
from misentinel.web.console.routes import routes
from misentinel.web.console.trail_filter import FilterForm
from misentinel.web.gate import Gate

_COLUMNS = (
    "id", "at", "tag", "outcome", "actor_kind", "actor_id", "actor", "credential", "address", "object_kind",
    "object_id", "person_id", "request_id", "details",
)  # fmt: skip
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@routes.get("trail/export", needs=Permission.EXPORT, tag=Tag.TRAIL_EXPORT, name="trail-export", fresh=True)
def export(gate: Gate) -> StreamingHttpResponse:
    """Streams, so that a trail of any length needs no more memory than one page of it."""
    gate.require(Permission.TRAIL)
    names = Names(gate.customer_id)
    form = FilterForm(names.teammates, get_customer(gate.customer_id).time_zone, gate.request.GET)
    wanted_format = form.asked.pop("format", "")
    if wanted_format not in _WRITERS or not form.is_valid():
        raise Invalid("Choose a filter on the trail's page first, and there CSV or NDJSON.")
    gate.looks_at(object_kind="trail", filters=sorted(form.asked), format=wanted_format)
    content_type, write = _WRITERS[wanted_format]
    response = StreamingHttpResponse(write(all_entries(gate.store, form.wanted()), names), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="trail-{now():%Y%m%d-%H%M%S}.{wanted_format}"'
    return response


def _as_csv(entries: Iterable[EntryView], names: Names) -> Iterator[bytes]:
    yield _line(_COLUMNS)
    for entry in entries:
        told = _told(entry, names)
        told["details"] = canonical.dumps(entry.details).decode()
        yield _line(["" if told[name] is None else str(told[name]) for name in _COLUMNS])


def _line(cells: Iterable[str]) -> bytes:
    """A cell that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection)."""
    text = StringIO()
    csv.writer(text).writerow([f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell for cell in cells])
    return text.getvalue().encode()


def _as_ndjson(entries: Iterable[EntryView], names: Names) -> Iterator[bytes]:
    for entry in entries:
        yield orjson.dumps(_told(entry, names), option=orjson.OPT_APPEND_NEWLINE)


def _told(entry: EntryView, names: Names) -> dict[str, object]:
    told: dict[str, object] = {name: getattr(entry, name) for name in _COLUMNS if name != "actor"}
    return told | {
        "actor": names.who(entry.actor_kind, entry.actor_id), "at": entry.at.astimezone(UTC).isoformat(),
    }  # fmt: skip


_WRITERS: dict[str, tuple[str, Callable[[Iterable[EntryView], Names], Iterator[bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", _as_csv),
    "ndjson": ("application/x-ndjson", _as_ndjson),
}
