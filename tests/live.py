"""The fixture `live`: the program as a stranger meets it, served over TLS by `misentinel run`, with a worker.

It has a home, ports and databases of its own (on the test run's clusters) and a demo customer. It ends with the test
run, also with one that is killed.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from misentinel.site.serving.children import PARENT_VARIABLE
from misentinel.store.embedded import EmbeddedCluster

START_SECONDS = 120
STOP_SECONDS = 60
PROGRAM = [sys.executable, "-c", "from misentinel.site.main import main; main()"]


@dataclass(frozen=True)
class Live:
    """A running installation and what its start-up told: secrets included."""

    url: str
    http_port: int
    home: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[str]
    told: dict[str, Any]

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    @property
    def authority(self) -> Path:
        """The PEM file that a client must trust."""
        return Path(self.told["authority"])

    @property
    def write_key(self) -> str:
        return self.told["write_key"]

    @property
    def api_token(self) -> str:
        return self.told["api_token"]

    @property
    def enrolment_link(self) -> str:
        return self.told["enrolment_link"]

    @property
    def customer(self) -> str:
        return self.told["customer"]

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program against this installation."""
        return subprocess.run(
            [*PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    with live_installation() as running:
        yield running


@contextmanager
def live_installation(**settings: str) -> Iterator[Live]:
    """A running installation; `settings` are added to its environment, without their prefix."""
    with tempfile.TemporaryDirectory(prefix="ms-live-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        https_port, http_port = free_ports(2)
        environment = {
            **without_settings(os.environ),
            **_databases(),
            "MISENTINEL_HOME": str(home),
            "MISENTINEL_HTTPS_PORT": str(https_port),
            "MISENTINEL_HTTP_PORT": str(http_port),
            "MISENTINEL_WEB_PROCESSES": "1",
            **{f"MISENTINEL_{name.upper()}": value for name, value in settings.items()},
        }
        process = start_program(environment)
        try:
            told = read_told(process)
            yield Live(told["url"], http_port, home, environment, process, told)
        finally:
            stop_program(process)


def start_program(environment: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "run", "--demo", "--json", *arguments],
        env={**environment, PARENT_VARIABLE: str(os.getpid())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def read_told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Returns what the program tells when it is ready. Fails with what it said instead."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_SECONDS):
            stop_program(process)
            raise AssertionError(f"the program was not ready within {START_SECONDS} s")
    line = process.stdout.readline()
    if not line:
        _, said = process.communicate(timeout=STOP_SECONDS)
        raise AssertionError(f"the program ended with {process.returncode}: {said}")
    told: dict[str, Any] = json.loads(line)
    return told


def stop_program(process: subprocess.Popen[str]) -> str:
    """Stop it as an operator would. Returns what it said on standard error."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=STOP_SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("MISENTINEL_")}


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens on right now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _databases() -> dict[str, str]:
    """Databases of its own on the clusters of the test run, as an operator with servers elsewhere would name them."""
    home = Path(os.environ["MISENTINEL_HOME"])
    name = f"live_{os.urandom(6).hex()}"
    data, vault = EmbeddedCluster(home, "data"), EmbeddedCluster(home, "vault")
    for cluster in (data, vault):
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    clusters = {"main": {"dsn": data.dsn(), "provider": "embedded", "location": "GB"}}
    return {
        "MISENTINEL_CONTROL_URL": data.dsn(name),
        "MISENTINEL_VAULT_URL": vault.dsn(name),
        "MISENTINEL_CLUSTERS": json.dumps(clusters),
    }
