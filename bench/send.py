"""Messages a second to a local SMTP sink, beside django-post-office sending as many to the same sink in the same run.

Ours: one sending job, claims to report, with traits opened under each person's key, fsync on, the text and HTML parts
rendered for each person. The reference: django-post-office's own `send_queued` in one process with its threads, its
template rendered on delivery, both parts, in a database of the same cluster; batches large enough that it never waits.
Queueing is timed for neither. The sink is a process of its own that offers PIPELINING, counts and keeps nothing.

Prints one line of JSON: {metric, ours, reference, ratio, target}; `ratio` is oriented so that higher is better.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import ground
import psycopg

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "4000"))
CONNECTIONS = 8
ROUNDS = 5  # the best of each counts: other load on the machine is no finding
TARGET = "ratio >= 2"
SUBJECT = "News for {{ name }}"
HTML = "<h1>Hello {{ name }}</h1>" + "<p>You are on the plan {{ plan }}. " + "Here is what is new. " * 40 + "</p>"


def main() -> None:
    with ground.prepared() as home, sink(home) as port:
        from misentinel.store.clusters import get_cluster

        dsn = get_cluster("main").dsn
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE reference")
        store, send = ours(port)
        best, reference = 0.0, 0.0
        for _ in range(ROUNDS):
            best = max(best, MESSAGES / send(store))
            reference = max(reference, MESSAGES / theirs(dsn, port))
        ground.report(
            "messages per second to a local SMTP sink; reference: django-post-office 3.12",
            ours=best, reference=reference, ratio=best / reference, target=TARGET,
        )  # fmt: skip


def ours(port: int):
    from misentinel.customers.actions import create_customer
    from misentinel.kernel.actor import system
    from misentinel.messages import actions, queries
    from misentinel.messages.channels.server import Server, Tls
    from misentinel.messages.channels.smtp import SmtpChannel
    from misentinel.messages.contracts import DeliveryState, Draft, Kind
    from misentinel.messages.jobs import Mailer, send_due
    from misentinel.messages.rules.mime import Sender
    from misentinel.messages.tests.people import come_in, identify
    from misentinel.segments.queries import EVERYONE_ID
    from misentinel.store.queries import get_store

    actor = system("bench")
    store = get_store(create_customer(actor, "Acme", slug="acme").id)
    come_in(store, *(identify(f"user-{n}", name=f"Person {n}", plan="pro") for n in range(MESSAGES)))
    channel = SmtpChannel(Server("127.0.0.1", port, Tls.NONE), CONNECTIONS)
    mailer = Mailer(lambda _: channel, Sender("Acme", "hello@example.com"), "https://acme.example.com")
    draft = Draft("News", SUBJECT, HTML, segment_id=EVERYONE_ID)

    def send(store) -> float:
        message = actions.create_message(store, actor, Kind.MANUAL, draft)
        assert actions.send_message(store, actor, message.id) == MESSAGES
        started = time.perf_counter()
        send_due(store, mailer)
        seconds = time.perf_counter() - started
        assert queries.report(store, message.id).states == {DeliveryState.SENT: MESSAGES}
        return seconds

    return store, send


def theirs(dsn: str, port: int) -> float:
    """Runs the reference in a process of its own, for it is a Django project of its own."""
    answer = subprocess.run(
        [sys.executable, __file__, "reference", dsn, str(port)], check=True, capture_output=True, text=True
    )
    return float(json.loads(answer.stdout.splitlines()[-1])["seconds"])


def reference(dsn: str, port: int) -> None:
    import django
    from django.conf import settings
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(dsn)
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": "reference", "HOST": parts.get("host", ""),
                "PORT": parts.get("port", ""), "USER": parts.get("user", ""), "PASSWORD": parts.get("password", ""),
            }
        },
        EMAIL_BACKEND="post_office.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port, USE_TZ=True,
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates"},
            {"BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates"},
        ],
        POST_OFFICE={
            "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}, "BATCH_SIZE": MESSAGES,
            "THREADS_PER_PROCESS": CONNECTIONS, "BATCH_DELIVERY_TIMEOUT": 600, "LOG_LEVEL": 0,
        },
        DEFAULT_AUTO_FIELD="django.db.models.AutoField", LOGGING_CONFIG=None,
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command
    from post_office import mail
    from post_office.models import STATUS, Email, EmailTemplate

    call_command("migrate", verbosity=0, skip_checks=True)
    Email.objects.all().delete()
    text = HTML.replace("<h1>", "").replace("</h1>", "\n").replace("<p>", "").replace("</p>", "")
    template, _ = EmailTemplate.objects.update_or_create(
        name="news", defaults={"subject": SUBJECT, "content": text, "html_content": HTML}
    )
    mail.send_many(
        [
            {
                "recipients": [f"user-{n}@example.com"], "sender": "hello@example.com", "template": template,
                "context": {"name": f"Person {n}", "plan": "pro"}, "render_on_delivery": True,
            }
            for n in range(MESSAGES)
        ]
    )  # fmt: skip
    started = time.perf_counter()
    mail.send_queued(processes=1, log_level=0)
    seconds = time.perf_counter() - started
    assert Email.objects.filter(status=STATUS.sent).count() == MESSAGES
    print(json.dumps({"seconds": seconds}))


@contextmanager
def sink(home: Path):
    """Yields the port of the sink."""
    process = subprocess.Popen([sys.executable, __file__, "sink"], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)


class Session(asyncio.Protocol):
    """As little of a mail server as both senders need."""

    def connection_made(self, transport) -> None:
        self.transport, self.buffer, self.content = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers = []
        while True:
            if self.content:
                end = self.buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self.buffer, self.content = self.buffer[end + 5 :], False
                answers.append(b"250 2.0.0 queued\r\n")
                continue
            end = self.buffer.find(b"\r\n")
            if end < 0:
                break
            verb, self.buffer = self.buffer[:4].upper(), self.buffer[end + 2 :]
            if verb == b"DATA":
                self.content = True
                answers.append(b"354 go on\r\n")
            elif verb in (b"EHLO", b"HELO"):
                answers.append(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"QUIT":
                answers.append(b"221 bye\r\n")
                self.transport.write(b"".join(answers))
                return self.transport.close()
            else:
                answers.append(b"250 OK\r\n")
        if answers:
            self.transport.write(b"".join(answers))
        return None


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["sink"]:
        asyncio.run(serve())
    elif sys.argv[1:2] == ["reference"]:
        reference(sys.argv[2], int(sys.argv[3]))
    else:
        main()
