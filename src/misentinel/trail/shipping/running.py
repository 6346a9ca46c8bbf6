"""Running a sink: from its cursor on, batch by batch, until the log's end, a failure, or the time is over.

One run at a time for each sink: a lock that the database drops with the process that held it. The cursor moves after
the acknowledgement, so a process that dies in between sends that batch again, and nothing is skipped.
"""

from __future__ import annotations

from datetime import timedelta
from secrets import randbelow
from time import monotonic
from uuid import UUID

from django.db import connections, transaction
from django.db.models import F

from misentinel.kernel.actor import Actor, system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, MiSentinelError, NotFound, Unavailable
from misentinel.trail.actions import CONTROL_ALIAS, record_control
from misentinel.trail.contracts import Tag
from misentinel.trail.models import DeadLetter, Sink
from misentinel.trail.shipping.contracts import HOME, Gap, Item, NotTaken, Rejected, Shipped
from misentinel.trail.shipping.destinations import open_destination
from misentinel.trail.shipping.queries import log_of_sink
from misentinel.trail.shipping.reading import log_size, read_items
from misentinel.trail.shipping.sending import send

AT_ONCE = 500
SECONDS_AT_ONCE = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 1, 600  # seconds
MOST_REJECTED_IN_A_ROW = 20
_LOCKS = 0x5348  # the first half of the lock's name, so that no other kind of lock has it


def ship(sink_id: UUID, *, at_once: int = AT_ONCE) -> Shipped:
    """Ships what one sink has not acknowledged yet. Does nothing if the sink is paused, waits, is gone, or is being
    shipped to. Safe to repeat.
    """
    began, total, size = monotonic(), 0, at_once
    while True:
        with transaction.atomic(using=CONTROL_ALIAS):
            sink = _take(sink_id)
            if sink is None:
                return Shipped(total)
            step = _step(sink, size)
        total += step.entries
        if step.retry_at is not None or not step.more:
            return Shipped(total, retry_at=step.retry_at)
        if monotonic() - began > SECONDS_AT_ONCE:
            return Shipped(total, more=True)
        size = step.refused // 2 or min(at_once, size * 2)


def replay_dead_letters(actor: Actor, sink_id: UUID, *, most: int = AT_ONCE) -> tuple[int, int]:
    """Sends a sink's dead letters again, one by one, oldest first. Returns how many were taken and how many are left.

    Raises `Unavailable` where the sink cannot be reached; what was taken before stays taken.
    """
    with transaction.atomic(using=CONTROL_ALIAS):
        sink = Sink.objects.filter(id=sink_id).first()
        if sink is None:
            raise NotFound("There is no such sink.")
        if not _locked(sink_id):
            raise Conflict("The sink is being shipped to right now; try again in a few seconds.")
        log, taken = log_of_sink(sink), 0
        destination = open_destination(sink, log)
        for letter in list(sink.dead_letters.order_by("index")[:most]):
            try:
                send(destination, read_items(log, letter.index, 1, personal=sink.location == HOME))
            except Rejected as error:
                letter.reason, letter.at = error.message[:300], now()
                letter.save(update_fields=["reason", "at"])
            except Unavailable:
                if not taken:
                    raise
                break
            else:
                letter.delete()
                taken += 1
        left = sink.dead_letters.count()
        record_control(
            actor, Tag.DEAD_LETTER_REPLAY, customer_id=sink.customer_id, object_kind="sink", object_id=sink.id,
            details={"taken": taken, "left": left},
        )  # fmt: skip
    return taken, left


def _take(sink_id: UUID) -> Sink | None:
    """The sink, if it is to be shipped to now and nobody else does."""
    if not _locked(sink_id):
        return None
    sink = Sink.objects.filter(id=sink_id, paused=False).first()
    if sink is None or (sink.retry_at is not None and sink.retry_at > now()):
        return None
    return sink


def _locked(sink_id: UUID) -> bool:
    half = int.from_bytes(sink_id.bytes[-4:], "big", signed=True)
    with connections[CONTROL_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCKS, half])
        return bool(cursor.fetchone()[0])


def _step(sink: Sink, size: int) -> Shipped:
    """One batch."""
    try:
        log = log_of_sink(sink)
    except NotFound:  # the customer is closed, and its log with it
        sink.delete()
        return Shipped()
    except Unavailable as error:
        return _wait(sink, error)
    try:
        items = read_items(log, sink.next_index, size, personal=sink.location == HOME)
        if not items:
            return Shipped()
        taken = send(open_destination(sink, log), items)
    except Rejected as error:
        return Shipped(refused=len(items), more=True) if len(items) > 1 else _bury(sink, items[0], error)
    except (Unavailable, Gap) as error:
        return _wait(sink, error)
    except MiSentinelError as error:  # an address that is none any more, a secret that does not open
        return _wait(sink, error)
    _advance(sink, taken)
    return Shipped(taken, more=taken < len(items) or log_size(log) > sink.next_index + taken)


def _advance(sink: Sink, taken: int) -> None:
    """Not where somebody set the cursor meanwhile: a replay begins where it was told to."""
    Sink.objects.filter(id=sink.id, next_index=sink.next_index).update(
        next_index=F("next_index") + taken, failures=0, rejected_in_a_row=0, retry_at=None, last_error="",
        delivered_at=now(),
    )  # fmt: skip
    if sink.failures:
        _tell(sink, Tag.SINK_RECOVER, {"failures": sink.failures, "index": sink.next_index})


def _bury(sink: Sink, item: Item, error: Rejected) -> Shipped:
    """The log goes on after an entry that the sink will never take; many in a row are the sink's fault, not theirs."""
    if sink.rejected_in_a_row >= MOST_REJECTED_IN_A_ROW:
        Sink.objects.filter(id=sink.id).update(paused=True, rejected_in_a_row=0, last_error=error.message[:300])
        _tell(sink, Tag.SINK_PAUSE, {"rejected_in_a_row": sink.rejected_in_a_row, "index": item.index})
        return Shipped()
    DeadLetter.objects.update_or_create(
        sink=sink, index=item.index, defaults={"entry_id": item.entry_id, "reason": error.message[:300], "at": now()}
    )
    Sink.objects.filter(id=sink.id, next_index=item.index).update(
        next_index=item.index + 1, rejected_in_a_row=F("rejected_in_a_row") + 1
    )
    _tell(sink, Tag.DEAD_LETTER_KEEP, {"index": item.index})
    return Shipped(more=True)


def _wait(sink: Sink, error: MiSentinelError) -> Shipped:
    retry_at = now() + _pause(sink.failures, error)
    Sink.objects.filter(id=sink.id).update(
        failures=F("failures") + 1, retry_at=retry_at, last_error=error.message[:300]
    )
    if not sink.failures:  # once for an outage: telling of each try would fill the log with what cannot be shipped
        _tell(sink, Tag.SINK_FAIL, {"error": error.code, "index": sink.next_index})
    return Shipped(retry_at=retry_at)


def _pause(failures: int, error: MiSentinelError) -> timedelta:
    """Twice as long each time, up to ten minutes, and up to a quarter more, so that sinks do not come back at once."""
    seconds = min(FIRST_PAUSE * 2 ** min(failures, 20), LONGEST_PAUSE)
    if isinstance(error, NotTaken):
        seconds = max(seconds, int(error.retry_after))
    return timedelta(seconds=seconds, milliseconds=randbelow(seconds * 250))


def _tell(sink: Sink, tag: Tag, details: dict[str, str | int]) -> None:
    record_control(
        system("shipping"), tag, customer_id=sink.customer_id, object_kind="sink", object_id=sink.id, details=details
    )
