"""An event becomes mail after its delay, through the real worker and a real mail server."""

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
PATIENCE_SECONDS = 60


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


def test_an_event_becomes_mail_at_once_or_after_its_delay_and_never_before(acme, worker):
    """How soon is measured in bench/latency.py; here the wait is only bounded."""
    come_in(acme, identify("asha", name="Asha"))
    now, later = auto(acme), auto(acme, name="Later", delay_seconds=DELAY_SECONDS)
    happened = order(acme)
    wait_for(worker, 1, PATIENCE_SECONDS)
    assert wait_for(worker, 2, PATIENCE_SECONDS) - happened >= DELAY_SECONDS
    until = time.monotonic() + PATIENCE_SECONDS
    while states(acme, later) != {"sent": 1} and time.monotonic() < until:
        time.sleep(0.05)  # the mail is there a moment before its row says so
    assert states(acme, now) == states(acme, later) == {"sent": 1}
