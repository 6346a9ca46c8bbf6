"""Telling the worker at most so often: a store that is written to a hundred times a second is woken twenty times.

The first call is passed on at once, those that follow within the pause together at its end; or all of them in the
background, where whoever calls must not wait for the database. What is lost when the process dies in the pause is
repaired by the sweep.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from uuid import UUID

PAUSE_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Waker:
    """Passes calls on to `wake`, which may be slow and may raise."""

    def __init__(
        self, wake: Callable[[UUID], None], pause: float = PAUSE_SECONDS, *, in_background: bool = False
    ) -> None:
        self._wake = wake
        self._pause = pause
        self._in_background = in_background
        self._next: dict[UUID, float] = {}
        self._waiting: set[UUID] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def __call__(self, customer_id: UUID) -> None:
        with self._changed:
            at = time.monotonic()
            if self._in_background or self._next.get(customer_id, 0.0) > at:
                self._next.setdefault(customer_id, at)
                self._waiting.add(customer_id)
                self._start()
                self._changed.notify()
                return
            self._next[customer_id] = at + self._pause
        self._wake(customer_id)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            for customer_id in self._due():
                try:
                    self._wake(customer_id)
                except Exception:  # noqa: BLE001  whatever the database says, the next call and the sweep try again
                    _log.exception("the worker was not told of %s", customer_id)

    def _due(self) -> list[UUID]:
        """Waits until a pause has ended, and returns those to tell of."""
        with self._changed:
            while True:
                at = time.monotonic()
                due = [customer_id for customer_id in self._waiting if self._next[customer_id] <= at]
                if due:
                    self._waiting.difference_update(due)
                    self._next.update(dict.fromkeys(due, at + self._pause))
                    return due
                self._forget(at)
                soonest = min((self._next[customer_id] for customer_id in self._waiting), default=None)
                self._changed.wait(None if soonest is None else soonest - at)

    def _forget(self, at: float) -> None:
        for customer_id in [each for each, until in self._next.items() if until <= at]:
            del self._next[customer_id]
