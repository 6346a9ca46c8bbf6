"""Reading what is known of sinks."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count

from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.store.queries import get_store
from misentinel.trail.contracts import Log
from misentinel.trail.models import Sink
from misentinel.trail.queries import log_of, platform_log
from misentinel.trail.shipping.contracts import DeadLetterView, SinkKind, SinkView
from misentinel.trail.shipping.reading import log_size


def list_sinks(customer_id: UUID | None) -> list[SinkView]:
    """Returns the sinks of a customer's log, or of the operator's platform log for None, by name."""
    rows = Sink.objects.filter(customer_id=customer_id).annotate(dead=Count("dead_letters")).order_by("name")
    if not rows:
        return []
    size = log_size(log_of_sink(rows[0]))
    return [_view(row, size) for row in rows]


def get_sink(customer_id: UUID | None, name: str) -> SinkView:
    """Returns a sink by its name. Raises `NotFound`, also for another customer's."""
    for sink in list_sinks(customer_id):
        if sink.name == name:
            return sink
    raise NotFound(f"There is no sink {name!r} here. misentinel sink list shows those there are.")


def get_sink_by_id(customer_id: UUID, sink_id: UUID) -> SinkView:
    """Returns a sink of a customer's. Raises `NotFound`, also for another customer's."""
    row = Sink.objects.filter(id=sink_id, customer_id=customer_id).annotate(dead=Count("dead_letters")).first()
    if row is None:
        raise NotFound("There is no such sink.")
    return _view(row, log_size(log_of_sink(row)))


def list_dead_letters(sink_id: UUID, most: int = 500) -> list[DeadLetterView]:
    """Returns what a sink refused for good, in the order of the log."""
    rows = Sink.objects.get(id=sink_id).dead_letters.order_by("index")[:most]
    return [DeadLetterView(row.index, row.entry_id, row.reason, row.at) for row in rows]


def due_sinks(log: Log | None = None) -> list[UUID]:
    """Returns the ids of sinks, of one log or of all, that are not paused and do not wait after a failure."""
    found = Sink.objects.filter(paused=False).exclude(retry_at__gt=now())
    if log is not None:
        found = found.filter(customer_id=log.customer_id)
    return list(found.values_list("id", flat=True))


def log_of_sink(sink: Sink) -> Log:
    """Raises `NotFound` for a customer that is closed."""
    return platform_log() if sink.customer_id is None else log_of(get_store(sink.customer_id))


def _view(row: Sink, size: int) -> SinkView:
    dead: int = row.dead  # type: ignore[attr-defined]  # annotated by the query
    return SinkView(
        row.id, row.customer_id, row.name, SinkKind(row.kind), row.address, row.location, row.by_operator,
        row.plain_end, row.next_index, max(0, size - row.next_index), dead, row.paused, row.failures, row.retry_at,
        row.last_error, row.delivered_at,
    )  # fmt: skip
