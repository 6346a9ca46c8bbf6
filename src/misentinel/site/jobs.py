"""The jobs of the worker (procrastinate): each handles a batch for one store, never one message.

A wake-up that is lost in a crash is repaired by `sweep`, once a minute.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import MiSentinelError, NotFound, Unavailable
from misentinel.kernel.outgoing import Outgoing
from misentinel.messages import jobs as sending
from misentinel.site.couriers import courier_from
from misentinel.store import outbox
from misentinel.store.clusters import embedded_clusters
from misentinel.store.contracts import Store
from misentinel.store.queries import each_store, get_store
from misentinel.teammates import notices
from misentinel.teammates.jobs import forget_what_ended, tell_of_expiring_keys
from misentinel.trail.actions import (
    OUT_OF_REACH,
    PLATFORM,
    ask_witness,
    copy_pending,
    find_withheld,
    seal,
    watch_sessions,
)
from misentinel.trail.archive.daily import look_after_archive
from misentinel.trail.queries import count_unsealed, log_of, platform_log
from misentinel.trail.rules.witnessing import witnesses_in
from misentinel.trail.shipping import queries as sinks
from misentinel.trail.shipping.running import ship

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.2  # how late a job that waits for its time may start


def wake_up(customer_id: UUID) -> None:
    """Has the worker drain a store's outbox soon. A second call before it starts changes nothing."""
    try:
        drain_outbox.configure(queueing_lock=f"drain:{customer_id}").defer(customer_id=str(customer_id))
    except AlreadyEnqueued:
        return


@app.task(name="drain_outbox", queue="outbox")
def drain_outbox(customer_id: str) -> None:
    """Handles what one store has in its outbox."""
    from misentinel.site.wiring import HANDLERS

    try:
        outbox.drain(get_store(UUID(customer_id)), HANDLERS)
    except (NotFound, Unavailable) as error:  # closed or being repaired: the sweep comes back
        _log.info("outbox of %s left for later: %s", customer_id, error)


def seal_soon(log: UUID) -> None:
    """Has the worker seal a customer's log, or the operator's (`PLATFORM`)."""
    try:
        seal_log.configure(queueing_lock=f"seal:{log}").defer(log=str(log))
    except AlreadyEnqueued:
        return


@app.task(name="seal_log", queue="sealing")
def seal_log(log: str) -> None:
    """Seals everything that waits in one log."""
    wanted = UUID(log)
    try:
        found = platform_log() if wanted == PLATFORM else log_of(get_store(wanted))
        while seal(found):
            pass
        for sink in sinks.due_sinks(found):
            ship_soon(sink)
    except (NotFound, Unavailable) as error:
        _log.info("the log %s left for later: %s", log, error)


def ask_witnesses_soon(log: UUID) -> None:
    """Has the worker ask the witnesses, where there are any, to cosign a log's newest checkpoint."""
    if not settings.MISENTINEL.log_witnesses:
        return
    try:
        ask_witnesses.configure(queueing_lock=f"witness:{log}").defer(log=str(log))
    except AlreadyEnqueued:
        return


@app.task(name="ask_witnesses", queue="witnessing")
def ask_witnesses(log: str) -> None:
    """Asks every witness that the operator named."""
    wanted, outgoing = UUID(log), Outgoing.from_settings()
    try:
        found = platform_log() if wanted == PLATFORM else log_of(get_store(wanted))
        for witness in witnesses_in(settings.MISENTINEL.log_witnesses):
            ask_witness(found, witness, lambda url, body: outgoing.fetch(url, method="POST", body=body))
    except (NotFound, Unavailable) as error:
        _log.info("the log %s was not witnessed: %s", log, error)


def ship_soon(sink: UUID, at: datetime | None = None) -> None:
    """Has the worker ship to a sink, at `at` if that is given."""
    lock = f"ship:{sink}:{'later' if at else 'now'}"
    try:
        ship_log.configure(queueing_lock=lock, schedule_at=at).defer(sink=str(sink))
    except AlreadyEnqueued:
        return


@app.task(name="ship_log", queue="shipping")
def ship_log(sink: str) -> None:
    """Ships what one sink has not acknowledged yet."""
    wanted = UUID(sink)
    try:
        done = ship(wanted)
    except OUT_OF_REACH as error:  # the store of that customer: the sweep comes back
        _log.warning("sink %s was left for later: %s", sink, type(error).__name__)
        return
    if done.more or done.retry_at:
        ship_soon(wanted, done.retry_at)


def schedule_sending(customer_id: UUID, at: datetime) -> None:
    """Has the worker send what is due in a store at `at`, or soon if that is past."""
    later = at > now()
    lock = f"send:{customer_id}:{at.timestamp() if later else 'now'}"
    job = send_messages.configure(queueing_lock=lock, schedule_at=at if later else None)
    try:
        job.defer(customer_id=str(customer_id))
    except AlreadyEnqueued:
        return


@app.task(name="send_messages", queue="sending")
def send_messages(customer_id: str) -> None:
    """Sends everything that is due in one store."""
    try:
        sending.send_due(get_store(UUID(customer_id)), sending.mailer_from(settings.MISENTINEL))
    except (NotFound, Unavailable) as error:
        _log.info("messages of %s left for later: %s", customer_id, error)


def wake_for_notices() -> None:
    """Has the worker send notices to teammates soon."""
    try:
        send_notices.configure(queueing_lock="notices").defer()
    except AlreadyEnqueued:
        return


@app.task(name="send_notices", queue="notices")
def send_notices() -> None:
    """Sends what teammates are to be told about their own accounts."""
    notices.send_due_notices(courier_from(settings.MISENTINEL))


@app.periodic(cron="* * * * *")
@app.task(name="sweep", queue="sweep", queueing_lock="sweep")
def sweep(timestamp: int) -> None:
    """Repairs what a crash between a commit and its wake-up left behind, in every store."""
    copy_pending()
    forget_what_ended()
    if notices.due_notices().exists():
        wake_for_notices()
    if count_unsealed(platform_log()):
        seal_soon(PLATFORM)
    ask_witnesses_soon(PLATFORM)
    for sink in sinks.due_sinks():
        ship_soon(sink)
    for store in each_store():
        try:
            _look_after(store)
        except OUT_OF_REACH as error:  # the next sweep comes back; the stores after it are looked after now
            _log.warning("%s was left out of the sweep: %s", store.alias, type(error).__name__)


@app.periodic(cron="* * * * *")
@app.task(name="watch_databases", queue="watching", queueing_lock="watch_databases")
def watch_databases(timestamp: int) -> None:
    """Writes down who opened a session in an embedded cluster."""
    for cluster in embedded_clusters(settings.MISENTINEL):
        watch_sessions(cluster)


@app.periodic(cron="17 6 * * *")
@app.task(name="warn_of_expiring_keys", queue="sweep", queueing_lock="warn_of_expiring_keys")
def warn_of_expiring_keys(timestamp: int) -> None:
    """Tells customers, once for each key, that it stops working within a week."""
    tell_of_expiring_keys()


@app.periodic(cron="11 * * * *")
@app.task(name="find_withheld_entries", queue="sealing", queueing_lock="find_withheld_entries")
def find_withheld_entries(timestamp: int) -> None:
    """Has every log take in what somebody took out of its queue."""
    for log in [platform_log(), *(log_of(store) for store in each_store())]:
        try:
            find_withheld(log)
        except OUT_OF_REACH as error:  # the next run comes back
            _log.error("the queue of %s was not looked through: %s", log.origin, type(error).__name__)


@app.periodic(cron="41 * * * *")
@app.task(name="archive_logs", queue="archive", queueing_lock="archive_logs")
def archive_logs(timestamp: int) -> None:
    """Archives what is due in every log, lets databases go of what is old, and removes what is past its retention."""
    for log in [platform_log(), *(log_of(store) for store in each_store())]:
        try:
            look_after_archive(system("archive"), log)
        except (MiSentinelError, *OUT_OF_REACH) as error:  # the next run comes back; the logs after it are archived now
            _log.error("the archive of %s was left for later: %s", log.origin, error)


def _look_after(store: Store) -> None:
    if count_unsealed(log_of(store)):
        seal_soon(store.customer_id)
    ask_witnesses_soon(store.customer_id)
    if outbox.count_waiting(store):
        wake_up(store.customer_id)
    if sending.has_work(store):
        schedule_sending(store.customer_id, now())


_last_job: dict[str, str] = {}


def last_job() -> dict[str, Any]:
    """When the latest job of this process ended, and which it was; for `misentinel status`."""
    return {"last_job": dict(_last_job) or None}


async def _note_job(call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
    try:
        return await call_next()
    finally:
        _last_job.update(name=str(context.job.task_name), ended_at=now().isoformat())


def run_worker(threads: int) -> None:
    """Runs jobs until the process is told to stop."""
    worker_app = app.with_connector(app.connector.get_worker_connector())  # type: ignore[attr-defined]
    with app.replace_connector(worker_app.connector):
        app.run_worker(
            concurrency=threads, fetch_job_polling_interval=POLL_SECONDS, delete_jobs="always",
            shutdown_graceful_timeout=10, install_signal_handlers=True,
            worker_middleware=[_note_job],
        )  # fmt: skip
