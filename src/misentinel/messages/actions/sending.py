"""Setting messages off: a manual one to its segment as it is at that moment, an auto one when its event comes in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import sql

from misentinel.kernel.actor import Actor, system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict
from misentinel.messages.actions.writing import KIND, locked
from misentinel.messages.contracts import Kind, MessageState
from misentinel.messages.models import MessageRow
from misentinel.segments.contracts import Selection
from misentinel.segments.queries import get_segment, select
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.trail.actions import record
from misentinel.trail.contracts import Tag

# The same delivery twice is no error but the promise kept: the constraint `delivery_once` drops the second.
_QUEUE_MANUAL = sql.SQL("""
INSERT INTO messages_delivery
    (id, message_id, person_id, entry, state, waiting, reason, attempts, address, code, due_at, created_at)
SELECT gen_random_uuid(), %s, chosen.id, %s, 'queued', TRUE, '', 0, '', 0, %s, %s FROM ({chosen}) chosen
ON CONFLICT DO NOTHING
""")
_QUEUE_AUTO = sql.SQL("""
INSERT INTO messages_delivery
    (id, message_id, person_id, entry, state, waiting, reason, attempts, address, code, due_at, created_at)
SELECT gen_random_uuid(), %s, e.person_id, e.id, 'queued', TRUE, '', 0, '', 0,
       e.received_at + make_interval(secs => %s), %s
FROM events_event e
WHERE e.id BETWEEN %s AND %s AND e.name = %s AND e.received_at >= %s {limited}
ON CONFLICT DO NOTHING RETURNING due_at
""")


_LEAVE_OUT = """
UPDATE messages_delivery SET state = 'skipped', waiting = FALSE, reason = 'paused', ended_at = %s
WHERE message_id = %s AND waiting
"""


def send_message(store: Store, actor: Actor, message_id: UUID) -> int:
    """Start sending a manual message to everyone who is in its segment now. Returns how many. Raises `Conflict`."""
    with store.atomic():
        row = locked(store, message_id)
        if row.kind != Kind.MANUAL or row.state != MessageState.DRAFT:
            raise Conflict("Only a manual message that was not sent yet can be sent.")
        chosen = _selection(store, row)
        moment = now()
        with store.connection.cursor() as cursor:
            cursor.execute(_QUEUE_MANUAL.format(chosen=chosen.sql), [row.id, row.id, moment, moment, *chosen.params])
            count = int(cursor.rowcount)
        row.state = (MessageState.SENDING if count else MessageState.SENT).value
        row.started_at = moment
        row.save(using=store.alias)
        record(
            store, actor, Tag.MESSAGE_SEND, object_kind=KIND, object_id=row.id,
            details={"recipients": count, "segment": str(row.segment_id)},
        )  # fmt: skip
        if count:
            outbox.put(store, Topic.DELIVERIES_QUEUED, {"due_at": moment.isoformat()})
    return count


def set_live(store: Store, actor: Actor, message_id: UUID) -> None:
    """From now on the event sends this auto message. Raises `Conflict` for a manual one."""
    with store.atomic():
        row, before = _switched(store, message_id, MessageState.LIVE)
        row.started_at = now()
        row.save(using=store.alias)
        record(
            store, actor, Tag.MESSAGE_GO_LIVE, object_kind=KIND, object_id=row.id,
            details={"from": before, "to": row.state},
        )  # fmt: skip


def pause_message(store: Store, actor: Actor, message_id: UUID) -> int:
    """Stop an auto message and leave out what was waiting for its delay, also if it goes live again before that.

    Returns how many were left out. Raises `Conflict` unless it is live.
    """
    with store.atomic():
        row, before = _switched(store, message_id, MessageState.PAUSED)
        row.save(using=store.alias)
        with store.connection.cursor() as cursor:
            cursor.execute(_LEAVE_OUT, [now(), row.id])
            count = int(cursor.rowcount)
        record(
            store, actor, Tag.MESSAGE_PAUSE, object_kind=KIND, object_id=row.id,
            details={"from": before, "to": row.state, "left_out": count},
        )  # fmt: skip
    return count


def consider(store: Store, payload: dict[str, Any]) -> None:
    """Queue the live auto messages that new events set off.

    `payload` is that of `Topic.EVENTS_RECEIVED`: {"first", "last": event ids, both included, "names": the events', or
    None where there were too many to list}. Repeating it changes nothing.
    """
    live = MessageRow.objects.using(store.alias).filter(kind=Kind.AUTO.value, state=MessageState.LIVE.value)
    if payload["names"] is not None:
        live = live.filter(trigger_event__in=payload["names"])
    for row in live:
        with store.atomic():
            _queue_auto(store, row, payload)


def _queue_auto(store: Store, row: MessageRow, payload: dict[str, Any]) -> None:
    limited = _selection(store, row) if row.segment_id is not None else None
    among = sql.SQL("AND e.person_id IN ({})").format(limited.sql) if limited else sql.SQL("")
    parameters = [row.id, row.delay_seconds, now(), payload["first"], payload["last"]]
    parameters += [row.trigger_event, row.started_at, *(limited.params if limited else ())]
    with store.connection.cursor() as cursor:
        cursor.execute(_QUEUE_AUTO.format(limited=among), parameters)
        due = [moment for (moment,) in cursor.fetchall()]
    if due:
        record(
            store, system("messages"), Tag.DELIVERY_QUEUE, object_kind=KIND, object_id=row.id,
            details={"deliveries": len(due)},
        )  # fmt: skip
        outbox.put(store, Topic.DELIVERIES_QUEUED, {"due_at": min(due).isoformat()})


def _switched(store: Store, message_id: UUID, to: MessageState) -> tuple[MessageRow, str]:
    """Returns the row, locked and in its new state but not saved, and the state it had."""
    row = locked(store, message_id)
    possible = {MessageState.LIVE: ("draft", "paused"), MessageState.PAUSED: ("live",)}[to]
    if row.kind != Kind.AUTO or row.state not in possible:
        raise Conflict(f"This message is {row.state}; it cannot become {to}.")
    before, row.state = row.state, to.value
    return row, before


def _selection(store: Store, row: MessageRow) -> Selection:
    if row.segment_id is None:
        raise Conflict("This message has no segment.")
    return select(store, get_segment(store, row.segment_id).rule)
