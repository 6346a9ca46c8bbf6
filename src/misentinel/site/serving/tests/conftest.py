"""The web server as a process of its own, with a small application behind it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from misentinel.kernel import settings as kernel_settings
from misentinel.site.serving import tls
from misentinel.site.serving.authority import ensure_certificate

SMALL = "misentinel.site.serving.tests.small_application:application"


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    home: Path
    process: subprocess.Popen

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.home / "tls" / "authority.pem")
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(raw, server_hostname="localhost")

    def send(self, request: bytes) -> bytes:
        """Send raw bytes over TLS and return all that comes back."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while part := connection.recv(65536):
            received += part
    return received


@contextlib.contextmanager
def serving(home: Path, *, environment: dict[str, str] | None = None, threads: int = 4) -> Iterator[Served]:
    """Run the web server on a free port until the block ends."""
    given = {
        "MISENTINEL_HOME": str(home),
        "MISENTINEL_WEB_PROCESSES": "1",
        "MISENTINEL_WEB_THREADS": str(threads),
    }
    ensure_certificate(kernel_settings.load(given))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "misentinel.site.serving.web",
                "--fd",
                str(listener.fileno()),
                "--application",
                SMALL,
            ],
            pass_fds=[listener.fileno()],
            env=(environment if environment is not None else tls.environment(os.environ)) | given,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield Served(port, home, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        wait_until_served(running)
        yield running


def wait_until_served(running: Served) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if b"200" in running.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
                return
        time.sleep(0.05)
    raise AssertionError("the web server did not start within 20 s")
