"""The jobs of the worker (procrastinate): each handles a batch for one store, never one message.

A wake-up that is lost in a crash is repaired by `sweep`, once a minute.
"""

from __future__ import annotations

import logging
from uuid import UUID

from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from misentinel.kernel.errors import NotFound, Unavailable
from misentinel.store import outbox
from misentinel.store.queries import each_store, get_store
from misentinel.trail.actions import copy_pending

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


@app.periodic(cron="* * * * *")
@app.task(name="sweep", queue="sweep", queueing_lock="sweep")
def sweep(timestamp: int) -> None:
    """Repairs what a crash between a commit and its wake-up left behind, in every store."""
    copy_pending()
    for store in each_store():
        if outbox.count_waiting(store):
            wake_up(store.customer_id)


def run_worker(threads: int) -> None:
    """Runs jobs until the process is told to stop."""
    worker_app = app.with_connector(app.connector.get_worker_connector())  # type: ignore[attr-defined]
    with app.replace_connector(worker_app.connector):
        app.run_worker(
            concurrency=threads, fetch_job_polling_interval=POLL_SECONDS, delete_jobs="always",
            shutdown_graceful_timeout=10, install_signal_handlers=True,
        )  # fmt: skip
