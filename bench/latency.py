"""How long after its delay an auto message reaches the mail server, event in over HTTPS, message out over SMTP.

Ours: a whole installation as `misentinel run` starts it; forty events, a quarter of a second apart, of a message with a
delay of one second. Late is what lies between the answer to the event plus that second, and the moment the mail
server has the message. The reference: the same message handed to the same mail server by `smtplib` at once.

Prints one line of JSON: {metric, ours, reference, ratio, target}; `ratio` is oriented so that higher is better.
"""

from __future__ import annotations

import base64
import http.client
import os
import smtplib
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import ground
import orjson

from misentinel.messages.tests.sinks import Inbox, mail_server
from tests.live import free_ports, read_told, start_program, stop_program, without_settings
from tests.test_story import PREPARE

EVENTS = 40
DELAY_SECONDS = 1.0
PATIENCE_SECONDS = 30


class Timed(Inbox):
    """An inbox that knows when each recipient's message came."""

    def __init__(self) -> None:
        super().__init__(pipelining=True)
        self.at: dict[str, float] = {}
        self.changed = threading.Event()

    async def handle_DATA(self, server, session, envelope):
        self.at[envelope.rcpt_tos[0]] = time.perf_counter()
        self.changed.set()
        return await super().handle_DATA(server, session, envelope)


def main() -> None:
    inbox = Timed()
    https_port, http_port = free_ports(2)
    with (
        mail_server(inbox) as port,
        tempfile.TemporaryDirectory(prefix="ms-bench-", ignore_cleanup_errors=True) as folder,
    ):
        environment = {
            **without_settings(os.environ), "MISENTINEL_HOME": f"{folder}/home",
            "MISENTINEL_HTTPS_PORT": str(https_port), "MISENTINEL_HTTP_PORT": str(http_port),
            "MISENTINEL_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
        }  # fmt: skip
        process = start_program(environment)
        try:
            told = read_told(process)
            subprocess.run([sys.executable, "-c", PREPARE, told["customer"]], env=environment, check=True)
            answered = send(told, https_port)
            wait(inbox, len(answered))
            late = sorted(inbox.at[address] - moment - DELAY_SECONDS for address, moment in answered.items())
            direct = sorted(handed_over(port, inbox.messages[0][2]) for _ in range(EVENTS))
        finally:
            stop_program(process)
    p50, worst = late[len(late) // 2], late[-1]
    ground.report(
        "seconds from an event's delay to its message at the mail server, p50; reference: smtplib handing it over",
        ours=p50, reference=direct[len(direct) // 2], ratio=direct[len(direct) // 2] / p50,
        target=f"each within 1 s (slowest of {EVENTS} here {worst:.3f} s)",
    )  # fmt: skip


def send(told: dict[str, str], port: int) -> dict[str, float]:
    """Returns when the event of each address was answered."""
    context = ssl.create_default_context(cafile=told["authority"])
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
    key = base64.b64encode(f"{told['write_key']}:".encode()).decode()
    answered = {}
    for n in range(EVENTS):
        address = f"reader-{n}-{uuid.uuid4().hex[:6]}@example.com"
        items = [
            {"type": "identify", "userId": address, "traits": {"email": address, "firstName": "Zoe"}},
            {"type": "track", "userId": address, "event": "Order Completed"},
        ]
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/batch", orjson.dumps({"batch": items}), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        answered[address] = time.perf_counter()
        time.sleep(0.25)
    return answered


def wait(inbox: Timed, count: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while len(inbox.at) < count and time.monotonic() < end:
        inbox.changed.wait(0.5)
        inbox.changed.clear()
    assert len(inbox.at) == count, f"{len(inbox.at)} of {count} messages came within {PATIENCE_SECONDS} s"


def handed_over(port: int, content: bytes) -> float:
    started = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.sendmail("hello@example.com", ["reader@example.com"], content)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
