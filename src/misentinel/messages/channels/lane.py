"""One connection to a mail server, driven by its replies (RFC 5321), pipelined where the server offers it
(RFC 2920).

Promises to tell apart what a broken connection means: an envelope that was never followed by its content
is free to go again; content whose last byte never left us was not delivered; anything after that is
doubtful. The envelope of the next message travels behind the content of this one, so a message costs one
round trip.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections import deque
from enum import Enum, auto

from misentinel.messages.contracts import Fate, Outcome, Prepared, Result
from misentinel.messages.ports import ChannelDown

WRITE_SECONDS = 20.0
REPLY_SECONDS = 300.0  # RFC 5321, section 4.5.3.2, asks for five minutes, and ten after the final dot
DOT_SECONDS = 600.0
_REPLY_LIMIT = 64 * 1024
_WORDS_LIMIT = 500
_LINE = re.compile(rb"(\d{3})([ -]?)(.*)")
_CLOSING = 421
_CONTENT_FATES = {2: Fate.ACCEPTED, 4: Fate.DEFERRED, 5: Fate.REFUSED}


class Step(Enum):
    """What the server's next reply answers."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CONTENT = auto()
    NOTHING = auto()  # a reply whose meaning is settled: RSET, or the end of a transaction without recipients


class LaneLost(Exception):
    """The connection is of no more use."""


class Lane:
    """A signed-in connection. It is *idle*, *opening* an envelope, *ready* for content, or awaiting the
    verdict.
    """

    def __init__(self, smtp: smtplib.SMTP) -> None:
        if smtp.sock is None:
            raise ChannelDown("the connection closed at once")
        self.sock: socket.socket = smtp.sock
        self.pipelining = smtp.has_extn("pipelining")
        self.results: list[Result] = []
        self.finished = 0
        self.deadline = 0.0
        self.opening: Prepared | None = None
        self.ready = False
        self.judged: Prepared | None = None
        self._smtp = smtp
        self._failure: Outcome | None = None
        self._expected: deque[Step] = deque()
        self._unsent: deque[tuple[Step, bytes]] = deque()
        self._buffer = b""
        self._words: list[bytes] = []
        self._tls = isinstance(self.sock, ssl.SSLSocket)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def open(self, message: Prepared) -> None:
        """Begin the envelope of `message`. It can still be taken back: nothing was delivered by this."""
        self.opening, self.ready, self._failure = message, False, None
        self._unsent.extend(
            (
                (Step.MAIL, b"MAIL FROM:<%s>\r\n" % message.sender.encode("ascii")),
                (Step.RCPT, b"RCPT TO:<%s>\r\n" % message.recipient.encode("ascii")),
                (Step.DATA, b"DATA\r\n"),
            )
        )
        if self.judged is None or self.pipelining:
            self._write_commands()

    def transmit(self, following: Prepared | None) -> None:
        """Send the content of the message that is ready, and the envelope of `following` behind it.

        A failed write leaves at least the last byte with us, so the message counts as unsent.
        """
        message = self.opening
        if message is None or not self.ready:
            raise LaneLost("nothing is ready")
        self._read_available()  # a server that said good-bye in the meantime has not seen any of it
        if not self.ready:
            raise LaneLost("the server closed the connection")
        self.opening, self.ready = None, False
        content = message.data.replace(b"\r\n.", b"\r\n..")
        try:
            self._write(content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"))
        except LaneLost as lost:
            self._finish(message, Outcome(Fate.UNSENT, words=str(lost)))
            raise
        self.judged = message
        self._expect(Step.CONTENT)
        if following is not None:
            self.open(following)

    def receive(self) -> None:
        """Take in what the server said. Raises `LaneLost`; then ask `lose` what it means."""
        self._read_available()

    def lose(self, why: str) -> Prepared | None:
        """Close. Returns the message whose envelope was open, if any: it may go again, elsewhere, at once."""
        if self.judged is not None:
            self._finish(self.judged, Outcome(Fate.DOUBTFUL, words=why))
        taken_back, self.opening, self.ready = self.opening, None, False
        self._smtp.close()
        return taken_back

    def close(self) -> None:
        """Say good-bye. The server's answer changes nothing, so nobody waits for it."""
        try:
            self._write(b"QUIT\r\n")
        except LaneLost:
            pass
        finally:
            self._smtp.close()

    @property
    def idle(self) -> bool:
        return self.opening is None and self.judged is None

    def _write_commands(self) -> None:
        if not self._unsent:
            return
        if self.pipelining:
            batch = b"".join(command for _, command in self._unsent)
            for step, _ in self._unsent:
                self._expect(step)
            self._unsent.clear()
            self._write(batch)
        elif not self._expected:
            step, command = self._unsent.popleft()
            self._expect(step)
            self._write(command)

    def _expect(self, step: Step) -> None:
        self._expected.append(step)
        if len(self._expected) == 1:
            self._start_clock()

    def _start_clock(self) -> None:
        seconds = DOT_SECONDS if self._expected[0] is Step.CONTENT else REPLY_SECONDS
        self.deadline = time.monotonic() + seconds

    def _write(self, data: bytes) -> None:
        try:
            self.sock.settimeout(WRITE_SECONDS)
            self.sock.sendall(data)
        except OSError as error:
            raise LaneLost(f"the connection broke while writing: {error.strerror or error}") from error

    def _read_available(self) -> None:
        while True:
            try:
                self.sock.settimeout(0)  # each time, for an answer may have made us write in between
                data = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError as error:
                raise LaneLost(f"the connection broke: {error.strerror or error}") from error
            if not data:
                raise LaneLost("the server closed the connection")
            self._take(data)
            if not self._tls:  # TLS may hold a decrypted rest that no selector sees
                return

    def _take(self, data: bytes) -> None:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > _REPLY_LIMIT or sum(map(len, self._words)) > _REPLY_LIMIT:
            raise LaneLost("the server's reply has no end")
        for line in lines:
            match = _LINE.match(line)
            if not match:
                raise LaneLost("the server does not speak SMTP")
            self._words.append(match.group(3).strip())
            if match.group(2) != b"-":
                words = b" ".join(self._words).decode("utf-8", "replace")[:_WORDS_LIMIT]
                self._words = []
                self._answer(int(match.group(1)), words)

    def _answer(self, code: int, words: str) -> None:
        if not self._expected:
            raise LaneLost(f"the server said {code} unasked")
        step = self._expected.popleft()
        if self._expected:
            self._start_clock()
        if step is Step.CONTENT and self.judged is not None:
            self.finished += 1
            self._finish(self.judged, Outcome(_CONTENT_FATES.get(code // 100, Fate.DOUBTFUL), code, words))
        elif step is not Step.NOTHING and self.opening is not None and code != _CLOSING:
            self._answer_envelope(step, self.opening, code, words)
        if code == _CLOSING:
            raise LaneLost("the server closes the connection (421)")
        self._write_commands()

    def _answer_envelope(self, step: Step, message: Prepared, code: int, words: str) -> None:
        positive = 300 <= code < 400 if step is Step.DATA else 200 <= code < 300
        if not positive and self._failure is None:
            self._failure = Outcome(Fate.DEFERRED if code // 100 == 4 else Fate.REFUSED, code, words)
        if self._failure is None:
            self.ready = step is Step.DATA
        elif step is Step.DATA or not self.pipelining:
            self.opening = None
            self.finished += 1
            self._unsent.clear()
            self._finish(message, self._failure)
            if step is Step.DATA and positive:  # it wants content although nobody is left to receive it
                self._expect(Step.NOTHING)
                self._write(b".\r\n")
            self._unsent.append((Step.NOTHING, b"RSET\r\n"))

    def _finish(self, message: Prepared, outcome: Outcome) -> None:
        self.judged = None
        self.results.append(Result(message.id, outcome))
