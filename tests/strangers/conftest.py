"""The whole program behind HTTPS, as a process of its own on the databases of this test run."""

from __future__ import annotations

import contextlib
import os
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


@dataclass(frozen=True)
class Served:
    """Where it is served, and the authority that its certificate is from."""

    url: str
    authority: Path


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served") / "log") as found:
        yield found


@contextlib.contextmanager
def serving(log_file: Path, application: str = "", **environment: str) -> Iterator[Served]:
    """The web server on the databases of this test run; `application` is another than the program's own."""
    settings = kernel_settings.load()
    ensure_certificate(settings)
    authority = settings.home / "tls" / "authority.pem"
    log = log_file.open("w+")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "misentinel.site.serving.web", "--fd", str(listener.fileno()),
             *(["--application", application] if application else [])],
            pass_fds=[listener.fileno()], stderr=log, text=True,
            env=tls.environment(os.environ)
            | {"MISENTINEL_WEB_PROCESSES": "1", "MISENTINEL_PUBLIC_URL": f"https://localhost:{port}"}
            | environment,
        )  # fmt: skip
    try:
        _wait(process, port, authority)
        yield Served(f"https://localhost:{port}", authority)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait(process: subprocess.Popen, port: int, authority: Path) -> None:
    context = ssl.create_default_context(cafile=authority)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the web server ended"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            connection.sendall(b"GET /v1/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if b" 405 " in connection.recv(4096):
                return
        time.sleep(0.1)
    raise AssertionError("the web server did not start within 60 s")
