"""The TLS that is served: versions 1.2 and 1.3, 256-bit suites with forward secrecy, and nothing else.

Fails closed: a context that would agree to a weaker suite or version is never handed out. Python 3.11 cannot
choose the suites of TLS 1.3, so the process must have been started with `environment()`; `server_context`
verifies that.
"""

from __future__ import annotations

import errno
import logging
import os
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from misentinel.kernel.errors import Misconfigured
from misentinel.site.serving.authority import Certificate

OPENSSL_CONF = Path(__file__).with_name("openssl.cnf")
TLS_1_3_SUITES = frozenset({"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
TLS_1_2_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
HANDSHAKE_SECONDS = 5.0

_log = logging.getLogger(__name__)


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment that a process which serves TLS must be started with."""
    return {**inherited, "OPENSSL_CONF": str(OPENSSL_CONF)}


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """Returns the context to serve with. Raises `Misconfigured` if it would be weaker than promised."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(TLS_1_2_SUITES))
    # Without tickets a stolen ticket key opens no recorded session of TLS 1.2.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.sslsocket_class = BoundedSocket
    try:
        context.load_cert_chain(certificate.chain, certificate.key)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"The certificate {certificate.chain} and its key {certificate.key} cannot be used: {error}."
        ) from error
    refuse_weakness(context)
    return context


def refuse_weakness(context: ssl.SSLContext) -> None:
    """Raise `Misconfigured` unless every suite and version that `context` agrees to is a promised one."""
    promised = TLS_1_3_SUITES.union(TLS_1_2_SUITES)
    weak = sorted(
        suite["name"]
        for suite in context.get_ciphers()
        if suite["name"] not in promised or suite["strength_bits"] < 256
    )
    if weak:
        raise Misconfigured(
            f"HTTPS would offer {', '.join(weak)}, weaker than promised, so nothing is served: "
            f"start the web server through `misentinel run`, which sets OPENSSL_CONF={OPENSSL_CONF}."
        )
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:
        raise Misconfigured("HTTPS would offer TLS older than 1.2, so nothing is served.")


class ReloadingContext:
    """The context of one process, made again when a renewal replaces the certificate's file."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._context = server_context(certificate)

    def current(self) -> ssl.SSLContext:
        """Returns the context in force."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                with self._lock:
                    if stamp != self._seen:
                        self._context, self._seen = server_context(self._certificate), stamp
        except (OSError, Misconfigured):
            # What is in force is as strong as promised; a renewal gone wrong must not end the service before
            # it expires.
            _log.exception("The certificate %s was replaced by something that cannot be used", self._certificate.chain)
        return self._context

    def _stamp(self) -> tuple[int, ...]:
        files = [os.stat(path) for path in (self._certificate.chain, self._certificate.key)]  # noqa: PTH116
        return tuple(number for file in files for number in (file.st_ino, file.st_mtime_ns))


class BoundedSocket(ssl.SSLSocket):
    """A TLS socket on which a peer has a limited time for each phase, not for each byte.

    The web server reads in blocking mode, without a limit: a peer that sends a byte now and then would hold a
    thread for ever. Here "blocking" means: until the deadline of the phase that `start_clock` began. What is
    late is told as a reset connection, which the server handles without noise.
    """

    _deadline: float | None = None

    def start_clock(self, seconds: float) -> None:
        """Begin a phase: all that is read or sent until the next call must be done within `seconds`."""
        self._deadline = time.monotonic() + seconds

    def setblocking(self, flag: bool) -> None:
        if flag:
            self.settimeout(HANDSHAKE_SECONDS)
        else:
            super().setblocking(False)

    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(HANDSHAKE_SECONDS)
        try:
            super().do_handshake(block)
        except TimeoutError as error:
            raise _too_slow() from error

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self._arm()
        try:
            return super().recv(buflen, flags)
        except TimeoutError as error:
            raise _too_slow() from error

    def send(self, data: Any, flags: int = 0) -> int:
        # `sendall` is made of these.
        self._arm()
        try:
            return super().send(data, flags)
        except TimeoutError as error:
            raise _too_slow() from error

    def _arm(self) -> None:
        # A socket in non-blocking mode (timeout 0) is the event loop's: it never waits, so it has no
        # deadline.
        if self._deadline is not None and self.gettimeout() != 0.0:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise _too_slow()
            self.settimeout(left)


def _too_slow() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the peer was too slow")
