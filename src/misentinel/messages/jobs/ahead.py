"""Making the next batch while this one is being sent: a thread of its own, because sending mostly waits.

The ledger holds what was claimed from that moment on, so closing the job releases what was not sent after all.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue

from django.db import connections

from misentinel.messages.contracts import Prepared
from misentinel.messages.jobs.claims import BATCH, Batch, batches
from misentinel.messages.jobs.ledger import RowLedger
from misentinel.messages.jobs.mailer import Mailer
from misentinel.store.contracts import Store

_LOOK_SECONDS = 0.05


def prepared(store: Store, mailer: Mailer, ledger: RowLedger) -> Generator[Prepared, None, None]:
    """Yields what is due, made. What cannot be made is told to the ledger. Close it before the ledger."""
    first = next(batches(store, mailer, ledger), None)
    if first is None:
        return
    yield from _told(ledger, first)
    if len(first.claims) < BATCH:
        yield from _rest(store, mailer, ledger)
        return
    maker = _Maker(store, mailer, ledger)
    try:
        while (batch := maker.take()) is not None:
            yield from _told(ledger, batch)
    finally:
        maker.stop()


def _rest(store: Store, mailer: Mailer, ledger: RowLedger) -> Iterator[Prepared]:
    for batch in batches(store, mailer, ledger):
        yield from _told(ledger, batch)


def _told(ledger: RowLedger, batch: Batch) -> Iterator[Prepared]:
    for delivery_id, reason in batch.dropped:
        ledger.drop(delivery_id, reason)
    yield from batch.made


class _Maker:
    """The thread that stays one batch ahead."""

    def __init__(self, store: Store, mailer: Mailer, ledger: RowLedger) -> None:
        self._ready: Queue[Batch | BaseException | None] = Queue(maxsize=1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(store, mailer, ledger), name="maker", daemon=True)
        self._thread.start()

    def take(self) -> Batch | None:
        """Returns the next batch, None after the last. Raises what making it raised."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        """End the thread. The ledger knows what it had claimed."""
        self._stopped.set()
        self._thread.join()

    def _work(self, store: Store, mailer: Mailer, ledger: RowLedger) -> None:
        end: BaseException | None = None
        try:
            for batch in batches(store, mailer, ledger):
                self._put(batch)
                if self._stopped.is_set():
                    break
        except BaseException as fault:  # noqa: BLE001  raised again by `take`, in the thread that sends
            end = fault
        finally:
            connections.close_all()
            self._put(end)

    def _put(self, item: Batch | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                return self._ready.put(item, timeout=_LOOK_SECONDS)
            except Full:
                continue
        return None
