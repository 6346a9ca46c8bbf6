"""The gunicorn worker: gthread, with what this project promises about every single answer.

Every answer over TLS, the web server's own refusals of malformed requests included, carries HSTS for two
years and a request id, and none names the server's software. A peer holds a thread only while it makes
progress: connections wait for their first byte in the event loop, and handshake, request and answer each have
a time limit.
"""

from __future__ import annotations

import errno
import time
from collections import deque
from functools import partial
from selectors import EVENT_READ
from socket import SHUT_WR
from ssl import SSLError
from typing import Any

from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.wsgi import Response, create
from gunicorn.workers.gthread import TConn, ThreadWorker

from misentinel.kernel import canonical
from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.site.serving.tls import BoundedSocket

HSTS = "max-age=63072000; includeSubDomains; preload"
REQUEST_ID = "misentinel.request_id"

FIRST_BYTE_SECONDS = 10.0
REQUEST_SECONDS = 10.0
BODY_SECONDS = 30.0
ANSWER_SECONDS = 60.0
LINGER_SECONDS = 2.0

_REFUSALS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (LimitRequestLine, 414, "URI Too Long", "The address of the request is too long."),
    (
        LimitRequestHeaders,
        431,
        "Request Header Fields Too Large",
        "The headers of the request are too large.",
    ),
    (UnsupportedTransferCoding, 501, "Not Implemented", "This transfer coding is not supported."),
    (ParseException, 400, "Bad Request", "The request is not valid HTTP."),
)


class Answer(Response):  # type: ignore[misc]
    """An answer of the application, with the headers that no part of it can forget or change."""

    headers: list[tuple[str, str]]

    def default_headers(self) -> list[str]:
        lines: list[str] = super().default_headers()
        fixed = {"strict-transport-security", "server"}
        self.headers = [(name, value) for name, value in self.headers if name.lower() not in fixed]
        lines = [line for line in lines if not line.lower().startswith("server:")]
        lines.append(f"Strict-Transport-Security: {HSTS}\r\n")
        return lines


class Connection(TConn):  # type: ignore[misc]
    """One client. After `init` its socket is a `BoundedSocket`."""

    def init(self) -> None:
        super().init()
        if isinstance(self.sock, BoundedSocket):
            self.sock.start_clock(REQUEST_SECONDS)


class Worker(ThreadWorker):  # type: ignore[misc]
    """See the module."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.lingering: deque[Any] = deque()

    def accept(self, listener: Any) -> None:
        """Take a connection and let it wait for its first byte without holding a thread."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                self.log.error("No connection can be accepted: %s", error.strerror)
                time.sleep(0.1)  # the listener stays readable, for example while too many files are open
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answer one request. Returns whether the connection may be used again."""
        started, answer, environ = now(), None, {}
        try:
            _begin(conn, BODY_SECONDS)
            answer, environ = create(req, conn.sock, conn.client, conn.server, self.cfg, response_class=Answer)
            environ["wsgi.multithread"] = True
            environ[REQUEST_ID] = str(new_id())
            if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
                answer.force_close()
            body = self._ask_application(environ, answer)
            try:
                _begin(conn, ANSWER_SECONDS)
                for part in body:
                    answer.write(part)
                answer.close()
            finally:
                self.log.access(answer, req, environ, now() - started)
                if hasattr(body, "close"):
                    body.close()
            if answer.should_close():
                return False
        except OSError:
            raise
        except Exception as error:
            if answer is not None and answer.headers_sent:
                # An error page in the middle of an answer would be taken for a part of it.
                self.log.exception("An answer broke off, request %s", environ.get(REQUEST_ID, ""))
                raise StopIteration from error
            raise
        _begin(conn, REQUEST_SECONDS)
        return True

    def _ask_application(self, environ: dict[str, Any], answer: Answer) -> Any:
        try:
            return self.wsgi(environ, answer.start_response)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                raise
            # gthread takes every OSError for a broken connection and would hang up without a word.
            raise RuntimeError("the application failed") from error

    def finish_request(self, conn: Any, fs: Any) -> None:
        kept = not fs.cancelled() and fs.exception() is None and fs.result() is True
        if kept and isinstance(conn.sock, BoundedSocket) and conn.sock.pending():
            # What TLS has already decrypted no longer makes the socket readable to the event loop.
            self.enqueue_req(conn)
        elif not fs.cancelled() and fs.exception() is None and fs.result() is False:
            self._linger(conn)
        else:
            super().finish_request(conn, fs)

    def _linger(self, conn: Any) -> None:
        """Say goodbye and let the peer go on for a moment (RFC 9112, 9.6), without waiting for it.

        gthread waits here, in the event loop: one peer that keeps its side open would stop everybody's requests.
        """
        try:
            conn.sock.shutdown(SHUT_WR)
            conn.sock.setblocking(False)
            conn.timeout = time.monotonic() + LINGER_SECONDS
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):
            self._let_go(conn)
        else:
            self.lingering.append(conn)

    def _drain(self, conn: Any, sock: Any) -> None:
        try:
            ended = not sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self.lingering.remove(conn)
            self.poller.unregister(sock)
            self._let_go(conn)

    def _let_go(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Called by the event loop in every turn."""
        super().murder_pending()
        while self.lingering and self.lingering[0].timeout <= time.monotonic():
            conn = self.lingering.popleft()
            self.poller.unregister(conn.sock)
            self._let_go(conn)

    def handle(self, conn: Any) -> Any:
        if conn.initialized:
            _begin(conn, REQUEST_SECONDS)
        else:
            conn.init()
            if isinstance(conn.sock, BoundedSocket) and not conn.sock.pending():
                return True  # the handshake is done; for the request the event loop waits, not this thread
        return super().handle(conn)

    def handle_error(self, _req: Any, client: Any, _address: Any, error: BaseException) -> None:
        """Answer what did not become an answer of the application: RFC 9457, with HSTS and a request id."""
        if isinstance(error, SSLError) or not isinstance(client, BoundedSocket):
            # No handshake, so nothing can be said that the peer could trust: the connection is closed.
            self.log.debug("A handshake failed: %s", type(error).__name__)
            return
        request_id = str(new_id())
        status, reason, sentence = _refusal(error)
        if status == 500:
            self.log.exception("A request failed, request %s", request_id)
        else:
            self.log.info("Refused a request with %s (%s), request %s", status, type(error).__name__, request_id)
        self.log.refused(status, request_id)
        try:
            client.start_clock(ANSWER_SECONDS)
            client.sendall(problem(status, reason, sentence, request_id))
        except OSError:
            self.log.debug("The peer of request %s did not wait for the answer", request_id)


def problem(status: int, reason: str, sentence: str, request_id: str) -> bytes:
    """Returns a whole HTTP answer with an RFC 9457 body, for where there is no application to give one."""
    body = canonical.dumps(
        {
            "type": "about:blank",
            "title": reason,
            "status": status,
            "detail": sentence,
            "request_id": request_id,
        }
    )
    head = (
        f"HTTP/1.1 {status} {reason}\r\n"
        f"Strict-Transport-Security: {HSTS}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _refusal(error: BaseException) -> tuple[int, str, str]:
    if not isinstance(error, (InvalidResponseHeader, InvalidResponseHeaderName)):
        for kind, status, reason, sentence in _REFUSALS:
            if isinstance(error, kind):
                return status, reason, sentence
    return (
        500,
        "Internal Server Error",
        "Something went wrong. The operator finds it in the log by the request id.",
    )


def _begin(conn: Any, seconds: float) -> None:
    if isinstance(conn.sock, BoundedSocket):
        conn.sock.start_clock(seconds)
