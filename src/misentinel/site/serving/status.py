"""How a process says that it is well: over TLS 1.3 on loopback, to a process of this installation and nobody else.

Being on this machine proves nothing. Both ends show a certificate of `services`, both check the other's authority,
dates, revocation and role, and only the supervisor's role is answered. The peer's request is not looked at.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from misentinel.kernel.clock import now
from misentinel.kernel.errors import MiSentinelError, Unavailable
from misentinel.site.serving.files import write_file
from misentinel.site.serving.services import Role, Services
from misentinel.site.serving.tls import TLS_1_2_SUITES, BoundedSocket, refuse_weakness

SECONDS = 5.0
PEERS = 8
REQUEST_BYTES = 4096
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nConnection: close\r\n"
    "Strict-Transport-Security: max-age=63072000\r\nContent-Length: {length}\r\n\r\n"
)
_log = logging.getLogger(__name__)

Facts = Callable[[], dict[str, Any]]


def serve_status(listener: socket.socket, services: Services, role: Role, facts: Facts = dict) -> threading.Thread:
    """Answers on `listener`, in threads that end with the process. Raises `Misconfigured` for weak TLS."""
    since = now()
    contexts = _Contexts(services, role)
    places = threading.BoundedSemaphore(PEERS)

    def told() -> bytes:
        found = {"role": role, "pid": os.getpid(), "since": since.isoformat(), "version": version("misentinel")}
        body = json.dumps({**found, **facts()}).encode()
        return _HEAD.format(length=len(body)).encode() + body

    def answer(raw: socket.socket) -> None:
        try:
            with closing(raw):
                _answer(raw, contexts.current(), told)
        except (OSError, MiSentinelError) as error:  # a peer that is nobody, or gone
            _log.info("a peer of the status of %s was turned away: %s", role, type(error).__name__)
        finally:
            places.release()

    def listen() -> None:
        while True:
            raw, _ = listener.accept()
            if places.acquire(blocking=False):
                threading.Thread(target=answer, args=(raw,), name="status", daemon=True).start()
            else:
                raw.close()

    thread = threading.Thread(target=listen, name="status-listener", daemon=True)
    thread.start()
    return thread


def serve_inherited(fd: int, home: Path, role: Role, facts: Facts = dict) -> None:
    """What a child of the supervisor does with the socket it was handed; nothing without one."""
    if fd >= 0:
        serve_status(socket.socket(fileno=fd), Services(home), role, facts)


def ask(services: Services, role: Role, port: int) -> dict[str, Any]:
    """Returns what the process in `role` says of itself. Raises `Unavailable` if it, and no other, does not answer."""
    try:
        context = _client_context(services)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            _require_role(connection, role)
            connection.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while part := connection.recv(REQUEST_BYTES):
                received += part
        found: dict[str, Any] = json.loads(received.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError) as error:
        raise Unavailable(f"The {role} does not say that it is well: {_reason(error)}.") from error
    return found


def write_ports(home: Path, ports: dict[Role, int]) -> None:
    write_file(_ports_file(home), json.dumps(ports).encode())


def read_ports(home: Path) -> dict[Role, int]:
    """Returns where each process answers. Raises `Unavailable` if nothing was ever started here."""
    try:
        found = json.loads(_ports_file(home).read_text())
    except (OSError, ValueError):
        raise Unavailable(f"MiSentinel does not run in {home}: misentinel run starts it.") from None
    return {Role(role): port for role, port in found.items()}


def _ports_file(home: Path) -> Path:
    return home / "tls" / "services" / "ports.json"


def _answer(raw: socket.socket, context: ssl.SSLContext, told: Callable[[], bytes]) -> None:
    raw.settimeout(SECONDS)
    with context.wrap_socket(raw, server_side=True) as connection:
        _require_role(connection, Role.SUPERVISOR)
        connection.start_clock(SECONDS)  # type: ignore[attr-defined]  # a BoundedSocket, see the context
        _read_request(connection)
        connection.sendall(told())
        with suppress(OSError):
            connection.unwrap()


def _read_request(connection: ssl.SSLSocket) -> None:
    read, deadline = b"", time.monotonic() + SECONDS
    while b"\r\n\r\n" not in read and len(read) < REQUEST_BYTES and time.monotonic() < deadline:
        part = connection.recv(REQUEST_BYTES)
        if not part:
            return
        read += part


def _require_role(connection: ssl.SSLSocket, role: Role) -> None:
    """Raises `SSLError` unless the certificate that was verified names this role, and only this."""
    shown: Any = (connection.getpeercert() or {}).get("subjectAltName", ())
    if [value for kind, value in shown if kind == "URI"] != [role.uri]:
        raise ssl.SSLError(1, f"the peer is not the {role}")


class _Contexts:
    """The server's context, made again when certificate or revocation list is replaced."""

    def __init__(self, services: Services, role: Role) -> None:
        self._services, self._role = services, role
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._context = self._make()

    def current(self) -> ssl.SSLContext:
        """Raises `OSError` where a file cannot be used: better no answer than one after a revocation was missed."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._context, self._seen = self._make(), stamp
            return self._context

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_ciphers(":".join(TLS_1_2_SUITES))  # version 1.2 is not spoken; none of its suites is left to be
        context.num_tickets = 0  # a resumed session would pass by the revocation list
        context.options |= ssl.OP_NO_TICKET
        context.sslsocket_class = BoundedSocket
        _know_one_another(context, self._services, self._role)
        refuse_weakness(context)
        return context

    def _stamp(self) -> tuple[int, ...]:
        files = [path.stat() for path in (self._services.trust, self._services.certificate(self._role))]
        return tuple(number for file in files for number in (file.st_ino, file.st_mtime_ns))


def _client_context(services: Services) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _know_one_another(context, services, Role.SUPERVISOR)
    return context


def _know_one_another(context: ssl.SSLContext, services: Services, role: Role) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.load_verify_locations(services.trust)
    context.load_cert_chain(services.certificate(role))


def _reason(error: Exception) -> str:
    return getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
