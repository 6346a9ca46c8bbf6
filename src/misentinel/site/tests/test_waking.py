"""The worker is told at once, then at most once a pause, and never not at all."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from misentinel.site.waking import Waker

ACME, BOLT = UUID(int=1), UUID(int=2)


class Worker:
    """Writes down what it was told, and when; may be out of order for a while."""

    def __init__(self, faults: int = 0) -> None:
        self.told: list[tuple[UUID, float]] = []
        self.faults = faults
        self.enough = threading.Event()

    def __call__(self, customer_id: UUID) -> None:
        self.told.append((customer_id, time.monotonic()))
        if self.faults:
            self.faults -= 1
            raise RuntimeError("out of order")

    def wait_for(self, count: int) -> list[UUID]:
        deadline = time.monotonic() + 10
        while len(self.told) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.1)
        return [customer_id for customer_id, _ in self.told]


def test_the_first_call_is_passed_on_at_once_and_the_rest_together():
    worker = Worker()
    waker = Waker(worker, pause=0.05)
    for _ in range(50):
        waker(ACME)
    assert len(worker.told) == 1
    assert worker.wait_for(2) == [ACME, ACME]
    assert worker.told[1][1] - worker.told[0][1] >= 0.05
    waker(ACME)
    assert worker.wait_for(3) == [ACME, ACME, ACME]


def test_each_store_has_a_pause_of_its_own():
    worker = Worker()
    waker = Waker(worker, pause=0.05)
    for customer_id in (ACME, BOLT, ACME, BOLT):
        waker(customer_id)
    assert worker.told[0][0] == ACME and worker.told[1][0] == BOLT
    assert sorted(worker.wait_for(4)) == [ACME, ACME, BOLT, BOLT]


def test_a_fault_costs_one_call_and_not_the_waker(caplog):
    worker = Worker()
    waker = Waker(worker, pause=0.02)
    waker(ACME)
    worker.faults = 1
    waker(ACME)
    worker.wait_for(2)
    waker(ACME)
    waker(ACME)
    assert len(worker.wait_for(4)) == 4
    assert "was not told" in caplog.text


def test_calls_from_many_threads_end_with_one_after_the_last():
    worker = Worker()
    waker = Waker(worker, pause=0.01)
    threads = [threading.Thread(target=lambda: [waker(ACME) for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    worker.wait_for(2)
    assert worker.told[-1][1] >= ended - 0.02
    assert len(worker.told) < 800


def test_in_the_background_nobody_who_calls_waits():
    worker = Worker()
    waker = Waker(worker, pause=0.05, in_background=True)
    callers: set[int] = set()

    def told(customer_id: UUID) -> None:
        callers.add(threading.get_ident())
        worker(customer_id)

    waker._wake = told
    for _ in range(50):
        waker(ACME)
    assert worker.wait_for(1)[0] == ACME and len(worker.told) <= 2
    assert threading.get_ident() not in callers
