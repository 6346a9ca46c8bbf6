"""Notices about one's own account: written with what they tell of, sent by the worker over a real mail server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import transaction

from misentinel.kernel.clock import held, in_future, now
from misentinel.messages.channels.server import Server
from misentinel.messages.rules.mime import Sender
from misentinel.messages.tests.sinks import Inbox, Scripted, mail_server
from misentinel.site.couriers import ByMail, InTheConsole, courier_from
from misentinel.teammates.contracts import Notice, Permission
from misentinel.teammates.models import NoticeRecord
from misentinel.teammates.notice_texts import TEXTS, compose
from misentinel.teammates.notices import due_notices, notify, notify_holders, send_due_notices
from misentinel.teammates.notices.sending import LEASE
from misentinel.teammates.ports import Letter, Undelivered
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import hire

NEW_DEVICE = {
    "device": "Firefox on Linux",
    "place": "192.0.2.0/24",
    "address": "192.0.2.7",
    "link": "/account/sessions",
}


@pytest.fixture(autouse=True)
def no_earlier_notices():
    NoticeRecord.objects.all().delete()


@pytest.fixture
def asha(acme):
    return hire(acme.customer_id, "Asha")


def by_mail(port: int) -> ByMail:
    return ByMail(Server.parse(f"smtp://127.0.0.1:{port}?tls=none"), Sender.parse("MiSentinel <hello@example.com>"))


class Broken:
    """A courier that never takes anything."""

    def __init__(self) -> None:
        self.asked = 0

    def deliver(self, letter: Letter) -> None:
        self.asked += 1
        raise Undelivered("nobody is there")


def sent_entries(acme) -> list[tuple[str, str]]:
    entries = list_entries(acme, EntryFilter(tag="notice:send")).entries
    return [(entry.outcome, entry.details["kind"]) for entry in entries]


def test_a_notice_reaches_its_recipient_as_plain_text(acme, asha) -> None:
    inbox = Inbox()
    notice_id = notify(asha, Notice.NEW_DEVICE, **NEW_DEVICE)
    with mail_server(inbox) as port:
        assert send_due_notices(by_mail(port)) == 1
        assert send_due_notices(by_mail(port)) == 0
    [(sender, recipients, raw)] = inbox.messages
    assert (sender, recipients) == ("hello@example.com", [asha.email])
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Message-ID"] == f"<{notice_id}@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    text = message.get_content()
    for told in ("Firefox on Linux", "192.0.2.7", "https://localhost:8443/account/sessions", "at Acme"):
        assert told in text
    assert sent_entries(acme) == [("done", "new_device")]


def test_a_notice_exists_exactly_if_what_it_tells_of_happened(asha) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        notify(asha, Notice.PASSWORD_CHANGED, address="192.0.2.7")
        raise ZeroDivisionError
    assert not NoticeRecord.objects.exists()


def test_the_table_alone_shows_neither_text_nor_link(asha) -> None:
    notify(asha, Notice.EMAIL_CHANGED, address="192.0.2.7", link="/account/email/undo/one-time-token")
    [row] = NoticeRecord.objects.all()
    assert b"one-time-token" not in bytes(row.sealed)
    assert b"192.0.2.7" not in bytes(row.sealed)


@pytest.mark.parametrize("kind", Notice)
def test_every_notice_says_what_happened_and_what_to_do(kind: Notice) -> None:
    facts = dict.fromkeys(TEXTS[kind].needed, "x")
    subject, text = compose(kind, "23 November 2026, 15:18 (Europe/London)", "Acme", facts)
    assert 10 < len(subject) < 70
    assert all(len(line) < 998 for line in text.splitlines())
    assert TEXTS[kind].do
    with pytest.raises(TypeError):
        compose(kind, "", "Acme", {**facts, "password": "x"})
    if facts:
        with pytest.raises(TypeError):
            compose(kind, "", "Acme", {})


def test_facts_cannot_add_lines_or_links(asha) -> None:
    hostile = "Firefox\r\nBcc: everyone@example.com\n\nClick https://evil.test {link}"
    _, text = compose(Notice.NEW_DEVICE, "now", "Acme", {**NEW_DEVICE, "device": hostile})
    [line] = [line for line in text.splitlines() if "Device" in line]
    assert "Bcc" in line
    assert text.count("{link}") == 1


def test_times_are_told_in_the_customers_zone(acme, asha) -> None:
    inbox = Inbox()
    with held(now().replace(month=7, day=1, hour=12, minute=5)):
        notify(asha, Notice.PERMISSIONS_CHANGED)
        with mail_server(inbox) as port:
            send_due_notices(by_mail(port))
    assert b"1 July" in inbox.messages[0][2]
    assert b"13:05 (Europe/London)" in inbox.messages[0][2]


def test_a_mail_server_that_is_away_is_tried_again_later_and_later_and_then_no_more(acme, asha) -> None:
    notify(asha, Notice.PERMISSIONS_CHANGED)
    courier, at, waits = Broken(), now(), []
    for _ in range(12):
        with held(at):
            send_due_notices(courier)
            assert not due_notices().exists()
        row = NoticeRecord.objects.get()
        if row.given_up_at:
            break
        waits.append(round((row.due_at - at).total_seconds() / 60))
        at = row.due_at
    assert waits == [1, 4, 16, 64, 256, 360, 360]
    assert courier.asked == 8
    assert sent_entries(acme) == [("failed", "permissions_changed")]


@pytest.mark.parametrize("fault", ["refuse-rcpt", "refuse-mail", "drop-in-data", "drop-after-dot", "5xx", "421"])
def test_whatever_goes_wrong_on_the_line_the_notice_is_sent_in_the_end(asha, fault: str) -> None:
    notify(asha, Notice.PERMISSIONS_CHANGED)
    with Scripted(lambda n: fault if n == 0 else "") as server:
        assert send_due_notices(by_mail(server.port)) == 0
        with held(in_future(minutes=2)):
            assert send_due_notices(by_mail(server.port)) == 1
    assert NoticeRecord.objects.get().attempts == 2


def test_two_workers_at_once_send_it_once(asha) -> None:
    for _ in range(6):
        notify(asha, Notice.PERMISSIONS_CHANGED)
    inbox, counts = Inbox(), []
    with mail_server(inbox) as port:
        workers = [threading.Thread(target=lambda: counts.append(in_thread(by_mail(port)))) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
    assert sum(counts) == 6
    assert len({email.message_from_bytes(raw)["Message-ID"] for _, _, raw in inbox.messages}) == 6
    assert len(inbox.messages) == 6


class Stalling(Inbox):
    """Takes the first content and keeps its sender waiting for the answer."""

    async def handle_DATA(self, server, session, envelope):
        answer = await super().handle_DATA(server, session, envelope)
        if len(self.messages) == 1:
            await asyncio.sleep(20)
        return answer


def test_a_worker_killed_while_the_server_has_the_content_loses_nothing(asha) -> None:
    """Its successor sends it again after the lease, under the same Message-ID: once too often rather than never."""
    notice_id = notify(asha, Notice.PERMISSIONS_CHANGED)
    inbox = Stalling()
    with mail_server(inbox) as port:
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(port)], env={**os.environ})
        wait_until(lambda: inbox.messages)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
        assert send_due_notices(by_mail(port)) == 0  # the dead worker's lease still holds
        with held(now() + LEASE + timedelta(seconds=1)):
            assert send_due_notices(by_mail(port)) == 1
    ids = [email.message_from_bytes(raw)["Message-ID"] for _, _, raw in inbox.messages]
    assert ids == [f"<{notice_id}@example.com>"] * 2
    assert NoticeRecord.objects.get(id=notice_id).attempts == 2


def test_a_worker_that_comes_back_after_its_lease_changes_nothing(acme, asha) -> None:
    notify(asha, Notice.PERMISSIONS_CHANGED)

    class Slow:
        def deliver(self, letter: Letter) -> None:
            with held(now() + LEASE + timedelta(seconds=1)):
                send_due_notices(InTheConsole())

    assert send_due_notices(Slow()) == 1
    assert sent_entries(acme) == [("done", "permissions_changed")]


def test_without_a_mail_server_it_stays_in_the_console() -> None:
    from misentinel.kernel import settings

    assert isinstance(courier_from(settings.load({})), InTheConsole)
    configured = settings.load({"MISENTINEL_SMTP_URL": "smtp://mail.example.com"})
    assert isinstance(courier_from(configured), ByMail)


def test_those_who_hold_a_permission_are_told_and_nobody_else(acme, bolt, asha) -> None:
    hire(acme.customer_id, "Ben", [Permission.USER_DATA])
    hire(bolt.customer_id, "Mallory")
    told = notify_holders(
        acme.customer_id, Permission.SECURITY_SETTINGS, Notice.OPERATOR_ASKS, reason="a fault", link="/settings"
    )
    assert told == 1
    assert [row.recipient for row in NoticeRecord.objects.all()] == [asha.email]


WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
import django
django.setup()
from misentinel.teammates.notices import send_due_notices
from misentinel.teammates.tests.test_notices import by_mail
send_due_notices(by_mail(int(sys.argv[1])))
"""


def wait_until(happened, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def in_thread(courier) -> int:
    from django.db import connections

    try:
        return send_due_notices(courier)
    finally:
        connections.close_all()
