"""The whole story, as a newcomer would live it: an unmodified SDK sends an event, a real SMTP server receives the auto
message, its reader unsubscribes without signing in, and all of it is on the trail.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from misentinel.messages.tests.sinks import Inbox, mail_server
from tests.live import Live, live_installation

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30
PREPARE = """
import sys
from misentinel.site import main
main.prepare()
from misentinel.customers.queries import get_customer
from misentinel.kernel.actor import operator
from misentinel.messages import actions
from misentinel.messages.contracts import Draft, Kind
from misentinel.store.queries import get_store

store = get_store(get_customer(sys.argv[1]).id)
draft = Draft(
    name="Thanks", subject="Thank you, {{ person.firstName | default: 'friend' }}",
    html="<p>Hello {{ person.firstName | default: 'there' }}, your order is on its way.</p>",
    trigger_event="Order Completed", delay_seconds=1,
)
message = actions.create_message(store, operator("test"), Kind.AUTO, draft)
actions.set_live(store, operator("test"), message.id)
"""


@pytest.fixture(scope="module")
def inbox() -> Iterator[tuple[Inbox, int]]:
    inbox = Inbox()
    with mail_server(inbox) as port:
        yield inbox, port


@pytest.fixture(scope="module")
def installed(inbox: tuple[Inbox, int]) -> Iterator[Live]:
    with live_installation(smtp_url=f"smtp://127.0.0.1:{inbox[1]}?tls=none") as running:
        done = subprocess.run(
            [sys.executable, "-c", PREPARE, running.customer],
            env=running.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield running


def _send_events(installed: Live) -> None:
    """The example of the guide, with Segment's own SDK."""
    environment = {
        **os.environ, "MISENTINEL_URL": installed.url, "WRITE_KEY": installed.write_key,
        "REQUESTS_CA_BUNDLE": str(installed.authority),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "send_events.py")],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def _tags(installed: Live) -> list[tuple[str, str]]:
    request = urllib.request.Request(
        f"{installed.url}/api/trail?limit=200", headers={"Authorization": f"Bearer {installed.api_token}"}
    )
    with urllib.request.urlopen(request, context=installed.trusting(), timeout=10) as answer:
        return [(e["tag"], e["actor_kind"]) for e in json.load(answer)["entries"]]


def test_an_event_becomes_a_message_a_reader_unsubscribes_and_the_trail_tells_it(
    installed: Live, inbox: tuple[Inbox, int]
) -> None:
    received = inbox[0].messages
    _send_events(installed)
    assert _until(lambda: len(received) == 1), "the auto message did not arrive"
    _, recipients, content = received[0]
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert recipients == ["zoe@example.com"]
    assert message["Subject"] == "Thank you, Zoe"
    text = message.get_body(("plain",)).get_content()
    assert "Hello Zoe" in text

    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    (link,) = re.findall(r"<(https://[^>]+)>", message["List-Unsubscribe"])
    assert link.startswith(installed.url)
    looked = urllib.request.urlopen(link, context=installed.trusting(), timeout=10)  # a look changes nothing
    assert looked.status == 200
    _send_events(installed)
    assert _until(lambda: len(received) == 2)

    pressed = urllib.request.Request(link, data=b"List-Unsubscribe=One-Click", method="POST")
    with urllib.request.urlopen(pressed, context=installed.trusting(), timeout=10) as answer:
        assert (answer.status, answer.url) == (200, link)  # done at once, no redirect, no sign-in
    _send_events(installed)
    assert _until(lambda: sum(tag == "delivery:queue" for tag, _ in _tags(installed)) == 3)
    time.sleep(3)  # past the delay: what was queued has been skipped, not sent
    assert len(received) == 2

    told = _tags(installed)
    for expected in (
        ("event:receive", "write_key"), ("message:create", "operator"),
        ("message:go_live", "operator"), ("delivery:queue", "system"), ("delivery:attempt", "system"),
        ("unsubscribe:view", "anonymous"), ("unsubscribe:confirm", "person"),
    ):  # fmt: skip
        assert expected in told, told
    listed = installed.run("trail", "list", "--customer", installed.customer, "--tag", "unsubscribe:confirm")
    assert listed.returncode == 0
    assert "unsubscribe:confirm" in listed.stdout
    assert "zoe@example.com" not in listed.stdout
