"""A warm process to fork from: clusters, migrated databases, the program imported, no connection open.

Each fork gets control and vault databases of its own, cloned from the warm ones, so that what a mutant breaks is gone
with it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql

import conftest

GROUND = "TEST_GROUND"
"""Set by a test run that starts this program: its clusters are used, so that none need be started."""
_QUIET = [
    "-o", "addopts=", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider", "-q", "--tb=line",
]  # fmt: skip
_PLANES = {"control": ("data", "default"), "vault": ("vault", "vault")}


@contextmanager
def warm_ground() -> Iterator[None]:
    """Prepares this process. Leaves no cluster behind that it started."""
    config = SimpleNamespace()
    if not (os.environ.get(GROUND) and os.environ.get(conftest.HOME)):
        for name in [name for name in os.environ if name.startswith("MISENTINEL_")]:
            del os.environ[name]
        os.environ[conftest.HOME] = tempfile.mkdtemp(prefix="ms-mutation-")
        conftest._start_clusters(config, Path(os.environ[conftest.HOME]))
    try:
        conftest._prepare_process(f"mutation_{os.getpid()}")
        os.environ[conftest.PREPARED] = "1"
        from django.db import connections

        from misentinel.site import urls  # the whole program, once for all forks

        assert urls.DECLARATIONS
        for connection in connections.all(initialized_only=True):
            connection.close()
        yield
    finally:
        conftest.pytest_unconfigure(config)


class Fork:
    """One job in a process of its own, in a process group of its own."""

    def __init__(self, job: Callable[[], None]) -> None:
        self.pid = os.fork()
        if not self.pid:
            _run_and_exit(job)
        self._status: int | None = None

    def ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = status
                _drop_databases(pid)
        return self._status is not None

    def end(self) -> None:
        """Kills it with all it started, unless it has ended."""
        if not self.ended():
            os.killpg(self.pid, 9)
            while not self.ended():
                time.sleep(0.01)


def run_session(files: list[str], plugin: Any) -> None:
    """Runs pytest in this process over `files`; `plugin` does with the tests what it likes. Raises if it cannot."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        code = pytest.main([*_QUIET, *files], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code!r} over {files}")


def _run_and_exit(job: Callable[[], None]) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        _clone_databases()
        job()
        status = 0
    except Exception:  # noqa: BLE001  told on standard error, and by the status
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


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
