"""Workers are killed and servers misbehave: nothing is lost, nothing doubled, and what nobody can know says so."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from django.db import connections

from misentinel.kernel import clock
from misentinel.messages import actions, queries
from misentinel.messages.contracts import DeliveryState, Fate, Outcome, Result
from misentinel.messages.jobs import ahead as ahead_module
from misentinel.messages.jobs import claims as claims_module
from misentinel.messages.jobs import has_work, send_due
from misentinel.messages.jobs.ledger import RowLedger, recover
from misentinel.messages.tests.people import ASHA, crowd, mailer, manual, person_id, reasons, states
from misentinel.messages.tests.sinks import Inbox, Scripted, mail_server
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries

RECIPIENTS = 400
KILLS = 4
CONNECTIONS = 3


class Busy(Inbox):
    """A server that takes its time over each message, so that a kill finds some on their way."""

    async def handle_DATA(self, server, session, envelope):
        answer = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(0.004)
        return answer


def worker(store, port):
    arguments = [str(store.customer_id), str(port), str(CONNECTIONS)]
    process = subprocess.Popen(
        [sys.executable, "-m", "misentinel.messages.tests.worker_process", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"ready\n", process.stderr.read().decode()
    return process


def test_killing_the_worker_loses_no_message_and_doubles_none(acme):
    crowd(acme, RECIPIENTS)
    message = manual(acme)
    assert actions.send_message(acme, ASHA, message.id) == RECIPIENTS
    dice, kills, inbox = random.Random(), 0, Busy(pipelining=True)
    with mail_server(inbox) as port:
        for _ in range(KILLS):
            process = worker(acme, port)
            before = len(inbox.messages)
            while process.poll() is None and len(inbox.messages) == before:
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.12))
            process.kill()
            process.communicate()
            kills += process.returncode == -9
        process = worker(acme, port)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    received, told = inbox.received(), states(acme, message)
    print(f"{kills} kills: {told}, {sum(received.values())} received")
    assert kills >= 2, "the kills came too late to mean anything"
    assert max(received.values()) == 1, "somebody got two copies"
    assert told.get("sent", 0) + told.get("unknown", 0) == RECIPIENTS
    assert told.get("unknown", 0) <= kills * CONNECTIONS
    assert told["sent"] <= len(received) <= RECIPIENTS
    assert RECIPIENTS - len(received) <= told.get("unknown", 0), "a message said to be sent never arrived"
    assert reasons(acme, message).keys() <= {"worker_lost"}
    doubts = list_entries(acme, EntryFilter(tag=Tag.DELIVERY_DOUBT), limit=100).entries
    assert len(doubts) == told.get("unknown", 0)


def test_two_workers_at_once_share_the_work_and_send_nothing_twice(acme):
    crowd(acme, 300)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    inbox, counts = Inbox(pipelining=True), Counter()

    def work(port):
        try:
            counts.update({k.value: n for k, n in send_due(acme, mailer(port)).items()})
        finally:
            connections.close_all()

    with mail_server(inbox) as port:
        threads = [threading.Thread(target=work, args=(port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert inbox.received() == {f"p{i}@example.com": 1 for i in range(300)}
    assert counts == {"sent": 300} and states(acme, message) == {"sent": 300}


@pytest.fixture
def held(acme):
    """A ledger that holds the claims of a message to four people, as a job does just before sending."""
    crowd(acme, 4)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    ledger = RowLedger(acme, lease_seconds=0.2)
    claims = claims_module._claim(acme, ledger.run_id)
    ledger.hold(claims)
    return ledger, message, [claim.id for claim in claims]


def test_a_job_whose_lease_ran_out_begins_nothing_more(acme, held):
    ledger, message, ids = held
    assert ledger.record([], ids[:1]) == {ids[0]}
    time.sleep(0.25)
    assert has_work(acme)
    assert ledger.record([], ids[1:2]) == frozenset()
    assert recover(acme) == 4
    assert ledger.record([], ids[2:3]) == frozenset()
    assert states(acme, message) == {"unknown": 1, "queued": 3}
    assert recover(acme) == 0


def test_a_result_that_comes_late_is_still_the_truth(acme, held):
    ledger, message, ids = held
    ledger.record([], ids[:1])
    time.sleep(0.25)
    recover(acme)
    ledger.record([Result(ids[0], Outcome(Fate.ACCEPTED, 250, "ok"))], [])
    assert states(acme, message) == {"sent": 1, "queued": 3}


def test_a_job_that_lives_keeps_what_it_has(acme, held):
    ledger, _, ids = held
    for _ in range(6):
        time.sleep(0.06)
        ledger.beat()
    assert recover(acme) == 0
    assert ledger.record([], ids) == set(ids)


def test_no_ledger_touches_what_another_holds(acme, held):
    _, message, ids = held
    stranger = RowLedger(acme)
    assert stranger.record([Result(ids[0], Outcome(Fate.ACCEPTED))], ids) == frozenset()
    stranger.close()
    assert states(acme, message) == {"claimed": 4}


@pytest.mark.parametrize("fault", ["refuse-mail", "refuse-rcpt", "refuse-data", "drop-rcpt", "421", "4xx", "5xx"])
def test_whatever_a_server_does_nobody_is_lost_or_written_to_twice(acme, fault):
    crowd(acme, 30)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    with Scripted(lambda n: fault if n and n % 7 == 0 else "") as server:
        send_due(acme, mailer(server.port, connections=3))
        received = Counter(recipient for recipient, _ in server.received)
    told = states(acme, message)
    assert max(received.values()) == 1
    assert sum(told.values()) == 30 and told["sent"] == len(received)
    assert set(told) <= {"sent", "failed", "queued"}


@pytest.mark.parametrize("module", [claims_module, ahead_module])
def test_a_job_that_breaks_while_it_makes_messages_leaves_the_rest_queued(acme, monkeypatch, module):
    monkeypatch.setattr(module, "BATCH", 5)  # with both at five the messages are made ahead, in a thread
    monkeypatch.setattr(claims_module, "BATCH", 5)
    crowd(acme, 20)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    made, original = [], claims_module._make

    def breaks(*arguments):
        made.append(1)
        if len(made) == 13:
            raise MemoryError("no room")
        return original(*arguments)

    monkeypatch.setattr(claims_module, "_make", breaks)
    inbox = Inbox(pipelining=True)
    with mail_server(inbox) as port:
        with pytest.raises(MemoryError):
            send_due(acme, mailer(port))
        told = states(acme, message)
        assert told.keys() == {"sent", "queued"} and sum(told.values()) == 20
        monkeypatch.setattr(claims_module, "_make", original)
        with clock.held(clock.in_future(minutes=1)):
            send_due(acme, mailer(port))
    assert inbox.received() == {f"p{i}@example.com": 1 for i in range(20)}
    page = queries.list_recipients(acme, message.id, state=DeliveryState.SENT, limit=100)
    assert len(page.deliveries) == 20


def test_a_person_whose_document_was_tampered_with_stops_nobody_else(acme):
    crowd(acme, 5)
    message = manual(acme)
    actions.send_message(acme, ASHA, message.id)
    with acme.connection.cursor() as cursor:
        cursor.execute("UPDATE people_person SET sealed = set_byte(sealed, 70, (get_byte(sealed, 70) + 1) %% 256)"
                       " WHERE id = %s", [person_id(acme, "p3")])  # fmt: skip
    inbox = Inbox()
    with mail_server(inbox) as port:
        send_due(acme, mailer(port))
    assert set(inbox.received()) == {f"p{i}@example.com" for i in (0, 1, 2, 4)}
    assert (states(acme, message), reasons(acme, message)) == ({"sent": 4, "failed": 1}, {"unreadable": 1})
