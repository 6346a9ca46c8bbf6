"""Who reacts to what: instead of signals, the only list. Ports get their adapters here."""

from __future__ import annotations

from collections.abc import Sequence

from misentinel.site import jobs
from misentinel.store import outbox
from misentinel.store.contracts import Topic
from misentinel.store.outbox import Handler

HANDLERS: dict[Topic, Sequence[Handler]] = {
    Topic.EVENTS_RECEIVED: [],
    Topic.PEOPLE_CHANGED: [],
    Topic.DELIVERIES_QUEUED: [],
}


def connect() -> None:
    """Connects ports and adapters; called once by each process before it does anything."""
    outbox.use_wake_up(jobs.wake_up)
