"""Who reacts to what: instead of signals, the only list. Ports get their adapters here."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from misentinel.kernel.errors import Misconfigured
from misentinel.messages import actions as messages
from misentinel.messages import jobs as sending
from misentinel.people import actions as people
from misentinel.site import jobs
from misentinel.site.waking import Waker
from misentinel.store import outbox
from misentinel.store.contracts import Topic
from misentinel.store.outbox import Handler
from misentinel.store.postgres.pool import POOL
from misentinel.teammates import notices
from misentinel.trail import actions as trail
from misentinel.trail.archive.reading import recall
from misentinel.trail.queries.logs import use_archive
from misentinel.trail.rules.witnessing import witnesses_in
from misentinel.vault.queries import service_key

SEALING_PAUSE_SECONDS = 0.5  # at the most this often for one log: a checkpoint follows its entries within a second

HANDLERS: dict[Topic, Sequence[Handler]] = {
    Topic.EVENTS_RECEIVED: [messages.consider],
    Topic.PEOPLE_CHANGED: [people.destroy_absorbed_keys],  # last: handlers before it may still open what was absorbed
    Topic.DELIVERIES_QUEUED: [sending.schedule_sending],
}


def connect() -> None:
    """Connects ports and adapters; called once by each process before it does anything."""
    try:
        witnesses_in(settings.MISENTINEL.log_witnesses)
    except ValueError as error:
        raise Misconfigured(f"Setting log_witnesses cannot be read: {error}.") from None
    settings.SECRET_KEY = service_key("django").hex()  # without it Django signs nothing, and says so
    POOL.limit = settings.MISENTINEL.store_connections
    outbox.use_wake_up(Waker(jobs.wake_up))
    trail.use_wake_up(Waker(jobs.seal_soon, pause=SEALING_PAUSE_SECONDS, in_background=True))
    use_archive(recall)
    sending.use_schedule(jobs.schedule_sending)
    notices.use_wake_up(jobs.wake_for_notices)
