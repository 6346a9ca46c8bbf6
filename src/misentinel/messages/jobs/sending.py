"""The sending job of one store, and having it run when something is due."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import datetime
from typing import Any

from misentinel.kernel.clock import now
from misentinel.messages.contracts import DeliveryState, Reason
from misentinel.messages.jobs.ahead import prepared
from misentinel.messages.jobs.ledger import LEASE_SECONDS, RowLedger, recover
from misentinel.messages.jobs.mailer import Mailer
from misentinel.messages.ports import ChannelDown, Schedule
from misentinel.messages.queries.reports import next_due
from misentinel.store.contracts import Store

_log = logging.getLogger(__name__)
WAIT_SECONDS = 30.0  # before another try, after the whole job failed
_schedule: Schedule | None = None
_FINISH = """
UPDATE messages_message m SET state = 'sent' WHERE m.kind = 'manual' AND m.state = 'sending' AND NOT EXISTS (
    SELECT FROM messages_delivery d WHERE d.message_id = m.id AND d.state IN ('queued', 'claimed', 'sending'))
"""


def use_schedule(schedule: Schedule) -> None:
    """Called once by `site/wiring.py`: how a worker is asked to send at a certain time."""
    global _schedule
    _schedule = schedule


def schedule_sending(store: Store, payload: dict[str, Any]) -> None:
    """Handles `Topic.DELIVERIES_QUEUED`, {"due_at": ISO 8601}: has the job run when the first of them is due."""
    if _schedule is not None:
        _schedule(store.customer_id, datetime.fromisoformat(payload["due_at"]))


def send_due(store: Store, mailer: Mailer, *, lease_seconds: float = LEASE_SECONDS) -> dict[DeliveryState, int]:
    """Sends everything that is due, and returns how many deliveries came to which state.

    Several may run at once: each claims its own. Has itself scheduled again for what is due later.
    """
    recover(store)
    ledger = RowLedger(store, lease_seconds)
    try:
        with closing(prepared(store, mailer, ledger)) as messages:
            mailer.channel(store).send(messages, ledger)
    except ChannelDown as down:
        _log.warning("nothing can be sent for %s: %s", store.alias, down)
        ledger.close(wait_seconds=WAIT_SECONDS, reason=Reason.UNREACHABLE)
    except BaseException:
        ledger.close(wait_seconds=WAIT_SECONDS)
        raise
    else:
        ledger.close()
    with store.connection.cursor() as cursor:
        cursor.execute(_FINISH)
    due = next_due(store)
    if due is not None and _schedule is not None:
        _schedule(store.customer_id, due)
    return ledger.counts


def has_work(store: Store) -> bool:
    """Returns whether something is due, or was held by a job that died: what the sweep asks."""
    due = next_due(store)
    if due is not None and due <= now():
        return True
    with store.connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM messages_run WHERE lease_until < clock_timestamp())")
        return bool(cursor.fetchone()[0])
