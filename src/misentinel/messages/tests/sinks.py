"""Mail servers for tests: aiosmtpd as a real one, and a scripted one that misbehaves on cue."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class Inbox:
    """An aiosmtpd handler that keeps what it receives and may offer PIPELINING."""

    def __init__(self, pipelining=False, answers=()):
        self.pipelining, self.answers = pipelining, dict(answers)
        self.messages = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]] if self.pipelining else responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 queued"

    def received(self):
        return Counter(recipient for _, recipients, _ in self.messages for recipient in recipients)


@contextmanager
def mail_server(handler, **options):
    """A real SMTP server on a free port of the loopback; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()

    class Quiet(Controller):
        def factory(self):
            return SMTP(self.handler, enable_SMTPUTF8=False, **options)

    controller = Quiet(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


class Scripted:
    """An SMTP server in a thread per connection whose `play` decides, message by message, what goes wrong.

    `play(n)` for the n-th content or envelope (from 0, over all connections) returns a step to break at:
    "refuse-mail", "refuse-rcpt", "refuse-data", "accept-data-without-recipient", "drop-rcpt", "drop-in-data",
    "drop-after-dot", "4xx", "5xx", "421", "stall" or "" for a message that arrives.
    """

    def __init__(self, play, pipelining=True, greeting="220 hello"):
        self.play, self.pipelining, self.greeting = play, pipelining, greeting
        self.received, self.connections, self.count = [], 0, 0
        self.batches = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._talk(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _talk(self, connection):
        file = connection.makefile("rb")
        say = lambda text: connection.sendall(text.encode() + b"\r\n")  # noqa: E731
        say(self.greeting)
        fault, recipient = "", None
        while line := file.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                say("250-test\r\n250-PIPELINING\r\n250 8BITMIME" if self.pipelining else "250 test")
            elif verb == b"MAIL":
                with self.lock:
                    fault, self.count = self.play(self.count), self.count + 1
                recipient = None
                if fault == "421":
                    return say("421 closing")
                say("550 no such sender" if fault == "refuse-mail" else "250 OK")
            elif verb == b"RCPT":
                if fault == "drop-rcpt":
                    return None
                recipient = re.search(rb"<(.*)>", line).group(1).decode()
                refused = fault in ("refuse-mail", "refuse-rcpt", "accept-data-without-recipient")
                say(f"550 5.1.1 <{recipient}> unknown" if refused else "250 OK")
                recipient = None if refused else recipient
            elif verb == b"DATA":
                if fault in ("refuse-mail", "refuse-rcpt", "refuse-data"):
                    say("451 later" if fault == "refuse-data" else "503 no recipients")
                    continue
                say("354 go on")
                if fault == "drop-in-data":
                    file.readline()
                    return None
                content = b""
                while (part := file.readline()) != b".\r\n":
                    if not part:
                        return None
                    content += part
                if fault == "drop-after-dot":
                    return None
                if fault == "stall":
                    return threading.Event().wait(30)
                if fault in ("4xx", "5xx"):
                    say("452 full" if fault == "4xx" else "554 spam")
                    continue
                if recipient:
                    with self.lock:
                        self.received.append((recipient, content))
                say("250 queued" if recipient else "554 no valid recipients")
            elif verb == b"QUIT":
                return say("221 bye")
            else:
                say("250 OK")
        return None


class Memory:
    """A ledger in memory that also checks the rule: one begun message without a result per connection at
    most.
    """

    def __init__(self, connections, forbidden=()):
        self.connections, self.forbidden = connections, set(forbidden)
        self.begun, self.results, self.commits, self.most = set(), {}, 0, 0

    def record(self, results, starting):
        self.commits += 1
        for result in results:
            assert result.id not in self.results, "two results for one message"
            self.results[result.id] = result.outcome
            self.begun.discard(result.id)
        allowed = frozenset(starting) - self.forbidden
        assert not allowed & set(self.results), "begun after its result"
        self.begun |= allowed
        self.most = max(self.most, len(self.begun))
        assert len(self.begun) <= self.connections
        return allowed

    def beat(self):
        pass
