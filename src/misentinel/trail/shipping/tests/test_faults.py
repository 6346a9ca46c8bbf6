"""Outages, kills, slow sinks and odd answers: nothing is lost, and what comes twice can be told."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections

from misentinel.customers.actions import close_customer
from misentinel.kernel.clock import held, now
from misentinel.kernel.errors import Invalid, Unavailable
from misentinel.site import jobs
from misentinel.store import provisioning
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.models import Leaf, Sink
from misentinel.trail.queries import list_entries
from misentinel.trail.shipping import actions, running, sending
from misentinel.trail.shipping.contracts import SinkKind
from misentinel.trail.shipping.queries import due_sinks, get_sink, list_dead_letters
from misentinel.trail.shipping.running import replay_dead_letters, ship
from misentinel.trail.shipping.tests.ground import OLGA, connect, sealed, tell, told
from misentinel.trail.shipping.tests.receivers import acknowledging, frames, requests, streams

SHIP = """
import os, sys, uuid
import django
django.setup()
from misentinel.site import wiring
wiring.connect()
from django.db import connections
from misentinel.trail.shipping.running import ship
connections.close_all()
print("ready", flush=True)
for _ in sys.stdin:
    process = os.fork()
    if not process:
        while True:
            ship(uuid.UUID(sys.argv[1]), at_once=2)
    print(process, flush=True)
    os.waitpid(process, 0)
"""
"""For each line it reads it makes a process that ships, and tells its id: starting Python anew costs seconds."""


def first_arrivals(arrived: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """What is left when a receiver drops what it has by index and entry id."""
    return list(dict.fromkeys(arrived))


def received(receiver) -> list[tuple[int, str]]:
    messages = [message for data in receiver.received for message in frames(data)]
    return [told(json.loads(message[message.index(b"{") :])) for message in messages]


def test_an_outage_of_ten_minutes_loses_nothing_and_does_not_hammer(acme, log, certificate) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        assert ship(sink).entries == len(sealed(log))
        port = receiver.port
    began, at, tries = now(), now(), 0
    while at < began + timedelta(minutes=10):
        with held(at):
            tell(acme, 2)
            done = ship(sink)
            assert done.retry_at is not None and done.entries == 0
            assert ship(sink) == running.Shipped(), "not before its time"
            assert due_sinks(log) == []
        at, tries = done.retry_at, tries + 1
    assert 8 <= tries <= 12
    with streams(certificate, port) as again, held(at):
        assert ship(sink, at_once=5).entries >= 2 * tries
        arrived = received(receiver) + received(again)
    assert arrived == sealed(log), "every one, in order, once"
    tags = [entry.tag for entry in list_entries(acme, EntryFilter(object_id=str(sink))).entries]
    assert tags == ["sink:recover", "sink:fail", "sink:add"], "an outage is told once, whatever the tries"


def test_killed_at_random_moments_it_loses_nothing(acme, log, certificate) -> None:
    tell(acme, 300)
    whole, in_the_middle = len(sealed(log)), 0
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        chance = random.Random(4)
        with shipping_processes(sink) as start:
            for _ in range(8):
                before, process = len(receiver.received), start()
                wait_for(lambda before=before: len(receiver.received) > before)
                time.sleep(chance.uniform(0.0, 0.03))
                os.kill(process, signal.SIGKILL)
                in_the_middle += Sink.objects.get(id=sink).next_index < whole
        ship_whole(sink)
        arrived = received(receiver)
    assert in_the_middle == 8, "otherwise this test kills too late to say anything"
    assert first_arrivals(arrived) == sealed(log)
    assert len(arrived) < whole + 8 * 2 + 1, "a kill repeats one batch, and no more"
    assert get_sink(log.customer_id, "syslog").waiting == 0


def wait_for(happened: Callable[[], bool]) -> None:
    for _ in range(2000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 20 seconds")


@contextmanager
def shipping_processes(sink) -> Iterator[Callable[[], int]]:
    """Yields what starts a process that ships to the sink, and returns its id."""
    parent = subprocess.Popen(
        [sys.executable, "-c", SHIP, str(sink)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdin is not None and parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"

        def start() -> int:
            parent.stdin.write("\n")
            parent.stdin.flush()
            return int(parent.stdout.readline())

        yield start
        parent.stdin.close()
        assert parent.wait(10) == 0


def ship_whole(sink) -> int:
    """A killed process may have left its batch half way; the database has dropped its lock with it."""
    for _ in range(100):
        done = ship(sink)
        if not done.more and get_sink(Sink.objects.get(id=sink).customer_id, "syslog").waiting == 0:
            return done.entries
        time.sleep(0.05)
    raise AssertionError("the lock of a killed process is still held")


def test_killed_between_the_acknowledgement_and_the_cursor_it_sends_again(log, certificate, monkeypatch) -> None:
    class Killed(BaseException):
        """Nothing in the program catches this."""

    def killed(*_: object) -> None:
        raise Killed

    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(running, "_advance", killed)
            ship(sink, at_once=4)
        ship(sink)
        arrived = received(receiver)
    assert arrived[:4] == sealed(log)[:4] == arrived[4:8]
    assert first_arrivals(arrived) == sealed(log)


def test_a_connection_that_is_cut_acknowledges_nothing(log, certificate) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        lines, _ = connect(log, SinkKind.LINES, receiver.port, secret="token")
        receiver.behaviour = "reset"
        assert ship(sink).retry_at and ship(lines).retry_at
        receiver.behaviour = "close"
        with held(now() + timedelta(minutes=1)):
            assert ship(sink).retry_at, "an end that anybody on the way can forge is no acknowledgement of syslog"
    assert get_sink(log.customer_id, "syslog").next_index == 0


def test_a_sink_that_hangs_costs_its_seconds_and_no_other_sink_anything(log, certificate, monkeypatch) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.3)
    with streams(certificate) as slow, streams(certificate) as quick:
        slow.behaviour = "hang"
        hanging, _ = connect(log, SinkKind.SYSLOG, slow.port, name="hanging")
        well, _ = connect(log, SinkKind.SYSLOG, quick.port, name="well")
        began = time.monotonic()
        assert ship(hanging).retry_at is not None
        assert time.monotonic() - began < 3
        assert ship(well).entries == len(sealed(log))
        assert received(quick) == sealed(log) and received(slow) == []


def test_a_slow_sink_gets_one_bounded_batch_at_a_time_and_leaves_the_worker_in_between(
    log, certificate, monkeypatch
) -> None:
    at_once = []

    def slowly(path: str, headers: dict[str, str], body: bytes):
        at_once.append(body.count(b"\n"))
        time.sleep(0.02)
        return acknowledging(path, headers, body)

    monkeypatch.setattr(running, "SECONDS_AT_ONCE", 0.0)
    with requests(certificate, slowly) as receiver:
        sink, _ = connect(log, SinkKind.NDJSON, receiver.port)
        runs = [ship(sink, at_once=5)]
        while runs[-1].more:
            runs.append(ship(sink, at_once=5))
    assert max(at_once) == 5 and [run.entries for run in runs[:-1]] == [5] * (len(runs) - 1)
    assert [told(line) for line in receiver.lines] == sealed(log)


def test_an_acknowledgement_that_comes_twice_or_for_what_was_never_sent_moves_nothing(log, certificate) -> None:
    answers = iter([{"acknowledged": 4}, {"acknowledged": 4}, {"acknowledged": 10**6}, {"ok": True}, [], None])

    def oddly(path: str, headers: dict[str, str], body: bytes):
        told = next(answers, ...)
        return acknowledging(path, headers, body) if told is ... else (200, json.dumps(told).encode())

    with requests(certificate, oddly) as receiver:
        sink, _ = connect(log, SinkKind.NDJSON, receiver.port)
        at = now()
        for _ in range(5):
            with held(at):
                done = ship(sink)
            assert done.retry_at and get_sink(log.customer_id, "ndjson").next_index == 5
            at = done.retry_at
        with held(at):
            assert ship(sink).entries == len(sealed(log)) - 5
        arrived = [told(line) for line in receiver.lines]
    assert first_arrivals(arrived) == sealed(log) and len(arrived) > len(sealed(log))


def test_what_a_sink_refuses_for_good_is_kept_shown_and_replayed(acme, log, certificate) -> None:
    odd = sealed(log)[3][1].encode()
    refusing = threading.Event()
    refusing.set()

    def choosy(path: str, headers: dict[str, str], body: bytes):
        return (422, b"") if refusing.is_set() and odd in body else acknowledging(path, headers, body)

    with requests(certificate, choosy) as receiver:
        sink, _ = connect(log, SinkKind.NDJSON, receiver.port)
        ship(sink)
        assert [told(line) for line in receiver.lines] == [one for one in sealed(log) if one[1] != odd.decode()]
        letters = list_dead_letters(sink)
        assert [(letter.index, letter.reason) for letter in letters] == [(3, "The sink answered with status 422.")]
        assert replay_dead_letters(OLGA, sink) == (0, 1)
        refusing.clear()
        assert replay_dead_letters(OLGA, sink) == (1, 0)
    assert list_dead_letters(sink) == [] and told(receiver.lines[-1])[1] == odd.decode()
    tags = [entry.tag for entry in list_entries(acme, EntryFilter(object_id=str(sink))).entries]
    assert tags == ["dead_letter:replay", "dead_letter:replay", "dead_letter:keep", "sink:add"]


def test_a_sink_that_refuses_everything_is_paused_and_nothing_is_lost(log, certificate, monkeypatch) -> None:
    monkeypatch.setattr(running, "MOST_REJECTED_IN_A_ROW", 4)
    with requests(certificate, lambda *_: (400, b"")) as receiver:
        sink, _ = connect(log, SinkKind.NDJSON, receiver.port)
        ship(sink)
        view = get_sink(log.customer_id, "ndjson")
        assert view.paused and view.next_index == view.dead_letters == running.MOST_REJECTED_IN_A_ROW
        receiver.answer = acknowledging
        assert ship(sink).entries == 0, "until somebody resumes it"
        actions.resume_sink(OLGA, sink)
        ship(sink)
        assert replay_dead_letters(OLGA, sink) == (running.MOST_REJECTED_IN_A_ROW, 0)
    assert sorted(told(line) for line in receiver.lines) == sealed(log)


def test_refusals_that_somebody_will_mend_make_no_dead_letters(log, certificate) -> None:
    for status in (301, 401, 403, 404, 429, 500, 503):
        with requests(certificate, lambda *_, status=status: (status, b"")) as receiver:
            sink, _ = connect(log, SinkKind.NDJSON, receiver.port, name=f"s-{status}")
            assert ship(sink).retry_at and list_dead_letters(sink) == [], status


def test_a_gap_in_the_log_stops_what_is_behind_it(log, certificate) -> None:
    with connections[log.alias].cursor() as cursor:
        owner = Leaf._meta.db_table
        cursor.execute(f"SELECT has_table_privilege(current_user, '{owner}', 'DELETE')")
        assert cursor.fetchone() == (False,), "the role itself cannot make a gap"
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        Sink.objects.filter(id=sink).update(next_index=0)
        with without_entry(log, 5):
            assert ship(sink).entries == 5
            view = get_sink(log.customer_id, "syslog")
        assert (view.next_index, view.last_error) == (5, "Entry 5 of the log is missing: verify the log.")
        with held(now() + timedelta(minutes=1)):
            ship(sink)
        assert received(receiver) == sealed(log)


class without_entry:
    """The log as it would be if somebody had removed one entry's row."""

    def __init__(self, log, index: int) -> None:
        self.alias, self.hidden = log.alias, Leaf.objects.using(log.alias).get(index=index).entry_id
        self.patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        from misentinel.trail.models import Entry

        real = type(Entry.objects.all()).in_bulk
        self.patch.setattr(
            "django.db.models.query.QuerySet.in_bulk",
            lambda query, ids=None, **more: {
                key: row for key, row in real(query, ids, **more).items() if key != self.hidden
            },
        )

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def test_a_replay_begins_where_it_is_told_and_never_ahead(log, certificate) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port, first=8)
        with pytest.raises(Invalid):
            actions.replay_sink(OLGA, sink, 9)
        ship(sink)
        assert received(receiver) == sealed(log)[8:]
        actions.replay_sink(OLGA, sink, 2)
        ship(sink)
    assert received(receiver) == sealed(log)[8:] + sealed(log)[2:]


def test_a_paused_sink_gets_nothing_and_goes_on_from_its_cursor(acme, log, certificate) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        ship(sink)
        actions.pause_sink(OLGA, sink)
        tell(acme, 3)
        assert ship(sink).entries == 0 and due_sinks(log) == []
        actions.resume_sink(OLGA, sink)
        ship(sink)
        assert received(receiver) == sealed(log)


def test_sealing_wakes_the_worker_for_the_logs_sinks_and_the_sweep_for_all(acme, log, monkeypatch) -> None:
    woken: list[object] = []
    monkeypatch.setattr(jobs, "ship_soon", lambda sink, at=None: woken.append(sink))
    sink, _ = connect(log, SinkKind.SYSLOG, 6514)
    jobs.seal_log(str(log.customer_id))
    assert woken == [sink]
    woken.clear()
    jobs.sweep(0)
    assert sink in woken


def test_a_failed_run_comes_back_by_itself(log, certificate, monkeypatch) -> None:
    woken: list[tuple[object, object]] = []
    monkeypatch.setattr(jobs, "ship_soon", lambda sink, at=None: woken.append((sink, at)))
    sink, _ = connect(log, SinkKind.SYSLOG, 1)
    jobs.ship_log(str(sink))
    assert woken == [(sink, Sink.objects.get(id=sink).retry_at)]


def test_the_sinks_of_a_closed_customer_go_with_it(acme, log) -> None:
    sink, _ = connect(log, SinkKind.SYSLOG, 6514)
    provisioning.destroy(acme.customer_id)
    assert ship(sink).entries == 0
    assert not Sink.objects.filter(id=sink).exists()


def test_closing_a_customer_forgets_its_sinks_and_their_secrets(acme, log) -> None:
    sink, _ = connect(log, SinkKind.LINES, 443, secret="token")
    actions.pause_sink(OLGA, sink)
    close_customer(OLGA, acme.customer_id)
    assert not Sink.objects.filter(id=sink).exists()


def test_a_store_that_cannot_be_reached_is_waited_for_and_no_other_log_with_it(log, certificate, monkeypatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("The store is being repaired.")

    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        monkeypatch.setattr(running, "log_of_sink", away)
        assert ship(sink).retry_at is not None and receiver.received == []


def test_the_operators_own_log_has_sinks_too(certificate) -> None:
    from misentinel.kernel.actor import system
    from misentinel.trail.actions import record_control, seal
    from misentinel.trail.contracts import Tag
    from misentinel.trail.queries import platform_log

    record_control(system("test"), Tag.SERVICE_VIEW)
    while seal(platform_log()):
        pass
    size = Leaf.objects.using("default").count()
    with streams(certificate) as receiver:
        sink, _ = connect(platform_log(), SinkKind.SYSLOG, receiver.port, name="platform", first=max(0, size - 5))
        ship(sink)
        assert received(receiver) == sealed(platform_log())[max(0, size - 5) :]
    actions.remove_sink(OLGA, sink)
