from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from misentinel.kernel import clock
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.store.models import OutboxRow

TOPIC = Topic.EVENTS_RECEIVED


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(outbox, "_wake_up", calls.append)
    return calls


def test_a_row_commits_with_its_change_and_wakes_the_worker_after(acme: Store, woken: list[Any]) -> None:
    with acme.atomic():
        outbox.put(acme, TOPIC, {"n": 1})
        assert woken == []
    assert woken == [acme.customer_id]
    assert outbox.count_waiting(acme) == 1


def test_a_row_is_rolled_back_with_its_change(acme: Store, woken: list[Any]) -> None:
    with pytest.raises(RuntimeError), acme.atomic():
        outbox.put(acme, TOPIC, {})
        raise RuntimeError
    assert outbox.count_waiting(acme) == 0
    assert woken == []


def test_a_row_outside_a_transaction_is_refused(acme: Store) -> None:
    with pytest.raises(RuntimeError, match="atomic"):
        outbox.put(acme, TOPIC, {})


def test_rows_are_handled_in_order_and_once(acme: Store, woken: list[Any]) -> None:
    with acme.atomic():
        for n in range(250):
            outbox.put(acme, TOPIC, {"n": n})
    seen: list[int] = []
    handlers = {TOPIC: [lambda store, payload: seen.append(payload["n"])]}
    assert outbox.drain(acme, handlers) == 250
    assert seen == list(range(250))
    assert outbox.drain(acme, handlers) == 0


def test_a_row_whose_handler_fails_waits_and_stops_nobody_elses(acme: Store, woken: list[Any]) -> None:
    with acme.atomic():
        for n in range(3):
            outbox.put(acme, TOPIC, {"n": n})
    seen: list[int] = []

    def handle(store: Store, payload: dict[str, Any]) -> None:
        if payload["n"] == 1 and not seen.count(2) > 1:
            OutboxRow.objects.using(store.alias).create(topic=TOPIC, payload={"left": "behind"})
            raise ValueError("not now")
        seen.append(payload["n"])

    assert outbox.drain(acme, {TOPIC: [handle]}) == 2
    assert seen == [0, 2]
    (row,) = OutboxRow.objects.using(acme.alias).all()  # what the handler wrote before it failed is gone
    assert (row.payload, row.attempts, row.fault) == ({"n": 1}, 1, "ValueError")
    with clock.held(clock.now() + timedelta(seconds=5)):
        assert outbox.drain(acme, {TOPIC: [lambda store, payload: seen.append(payload["n"])]}) == 1
    assert seen == [0, 2, 1]
