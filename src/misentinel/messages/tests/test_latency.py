"""An event becomes mail within a second of its delay, through the real worker and a real mail server."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from misentinel.messages.tests.people import auto, come_in, identify, states, track
from misentinel.messages.tests.sinks import Inbox, mail_server
from misentinel.site import jobs
from misentinel.site.serving.children import PARENT_VARIABLE

DELAY_SECONDS = 2
WITHIN_SECONDS = 1.0


@pytest.fixture
def worker():
    """The worker's own process, sending to a server of ours; yields what that server receives."""
    inbox = Inbox(pipelining=True)
    with mail_server(inbox) as port:
        environment = {
            **os.environ, "MISENTINEL_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none", PARENT_VARIABLE: str(os.getpid()),
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "-m", "misentinel.site.serving.work"], env=environment)
        try:
            yield inbox
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(inbox, count, seconds):
    """Returns when the mail came, or fails."""
    until = time.monotonic() + seconds
    while len(inbox.messages) < count:
        assert time.monotonic() < until, f"{len(inbox.messages)} of {count} came within {seconds} s"
        time.sleep(0.01)
    return time.monotonic()


def order(store):
    come_in(store, track("asha", "Order", item="lamp"))
    jobs.wake_up(store.customer_id)
    return time.monotonic()


def test_an_event_becomes_mail_within_a_second_of_its_delay(acme, worker):
    come_in(acme, identify("asha", name="Asha"))
    now, later = auto(acme), auto(acme, name="Later", delay_seconds=DELAY_SECONDS)
    order(acme)
    wait_for(worker, 2, 60)  # the worker has started
    waits = []
    for received in (2, 4, 6):  # the machine may be busy with other tests: one of three tells what the program can do
        happened = order(acme)
        at_once = wait_for(worker, received + 1, 30) - happened
        delayed = wait_for(worker, received + 2, 30) - happened - DELAY_SECONDS
        waits.append(max(at_once, delayed))
        assert delayed >= 0
        if waits[-1] < WITHIN_SECONDS:
            break
    assert min(waits) < WITHIN_SECONDS, waits
    assert states(acme, now) == states(acme, later) == {"sent": len(waits) + 1}
