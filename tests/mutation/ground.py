"""A warm process to fork from: clusters, migrated databases, the program and every test imported, no connection open.

Each fork gets control and vault databases of its own, cloned from the warm ones, so that what one mutant breaks is
gone with it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql

import conftest

QUIET = [
    "-o",
    "addopts=",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "-p",
    "no:cacheprovider",
    "--strict-markers",
    "-q",
    "--no-header",
    "--tb=line",
]
_PLANES = {"control": ("data", "default"), "vault": ("vault", "vault")}
_NAME = "mutation"

Job = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a fork ended: what its job returned, or that it crashed or was stopped at its time limit."""

    value: Any = None
    crashed: bool = False
    late: bool = False
    seconds: float = 0.0


@contextmanager
def warm_ground(paths: list[str]) -> Iterator[None]:
    """Prepares this process, and imports the tests in `paths`. Uses the clusters of the test run it is started by."""
    config = SimpleNamespace()
    if not (os.environ.get("TEST_GROUND") and os.environ.get(conftest.HOME)):
        for name in [name for name in os.environ if name.startswith("MISENTINEL_")]:
            del os.environ[name]
        os.environ[conftest.HOME] = tempfile.mkdtemp(prefix="ms-mutation-")
        conftest._start_clusters(config, Path(os.environ[conftest.HOME]))
    try:
        conftest._prepare_process(f"{_NAME}_{os.getpid()}")
        os.environ[conftest.PREPARED] = "1"
        _import_tests(paths)
        _close_connections()
        yield
    finally:
        conftest.pytest_unconfigure(config)


def in_forks(jobs: list[Job], *, limit: float, processes: int = 2) -> Iterator[tuple[int, Ended]]:
    """Runs every job in a fork of its own, `processes` at a time; yields their numbers as they end."""
    waiting = list(enumerate(jobs))[::-1]
    running: dict[int, tuple[int, float, Path]] = {}
    with tempfile.TemporaryDirectory(prefix="ms-mutation-") as folder, _ending(running):
        while waiting or running:
            while waiting and len(running) < processes:
                number, job = waiting.pop()
                told = Path(folder) / str(number)
                running[_fork(job, told)] = (number, time.monotonic(), told)
            pid, status = os.waitpid(-1, os.WNOHANG)
            late = next((p for p, (_, since, _) in running.items() if time.monotonic() - since > limit), 0)
            if not pid and late:
                os.killpg(late, 9)
                pid, status = os.waitpid(late, 0)
            if pid not in running:
                time.sleep(0.01)
                continue
            number, since, told = running.pop(pid)
            value = json.loads(told.read_text()) if told.exists() and not status else None
            seconds = time.monotonic() - since
            _drop_databases(pid)
            yield number, Ended(value, crashed=bool(status) and pid != late, late=pid == late, seconds=seconds)


@contextmanager
def _ending(running: dict[int, Any]) -> Iterator[None]:
    """Leaves no fork behind, however the loop ends."""
    try:
        yield
    finally:
        for pid in running:
            os.killpg(pid, 9)
            os.waitpid(pid, 0)


def run_tests(tests: list[str], plugins: list[Any], *, stop: bool = True) -> int:
    """Runs tests in this process, and with `stop` none after the first that fails. Returns pytest's exit code."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return int(pytest.main([*QUIET, *(["-x"] if stop else []), *tests], plugins=plugins))


def _fork(job: Job, told: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    status = 1
    try:
        _clone_databases()
        value = job()
        told.write_text(json.dumps(value))
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # the parent sees the status
    finally:
        sys.stderr.flush()
        os._exit(status)


def _import_tests(paths: list[str]) -> None:
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main([*QUIET, "-qq", "--collect-only", *paths])
    if code:
        raise RuntimeError(f"the tests cannot be collected: {said.getvalue()[-6000:]}")


def _close_connections() -> None:
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.close()


def _clone_databases() -> None:
    from django.db import connections

    for plane, (cluster, alias) in _PLANES.items():
        warm, mine = connections.settings[alias]["NAME"], _clone_name(plane, os.getpid())
        with _admin(cluster) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(mine), sql.Identifier(warm))
            )
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(mine)))
        connections.settings[alias]["NAME"] = mine
        variable = f"MISENTINEL_{plane.upper()}_URL"
        os.environ[variable] = os.environ[variable].replace(warm, mine)


def _drop_databases(pid: int) -> None:
    for plane, (cluster, _) in _PLANES.items():
        with _admin(cluster) as connection:
            name = sql.Identifier(_clone_name(plane, pid))
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def _admin(cluster: str) -> psycopg.Connection[Any]:
    from misentinel.store.embedded import EmbeddedCluster

    dsn = EmbeddedCluster(Path(os.environ[conftest.HOME]), cluster).dsn("postgres")
    return psycopg.connect(dsn, autocommit=True)


def _clone_name(plane: str, pid: int) -> str:
    return f"{plane}_mutant_{pid}"
