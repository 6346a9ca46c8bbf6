"""The ground that every test stands on: a home of its own with both clusters, databases of its own for each process.

The clusters are started once a run and ended by `tests/reaper.py`, a child that outlives even a killed run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

pytest_plugins = ["tests.live", "tests.evidence"]

# Machines are slow and busy at times: how long an example takes is no finding. `HYPOTHESIS_PROFILE=long` looks harder.
hypothesis.settings.register_profile("suite", deadline=None, database=None, max_examples=60)
hypothesis.settings.register_profile("long", deadline=None, database=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

ROOT = Path(__file__).parent
BINARIES = "TEST_POSTGRES_BINARIES"  # another PostgreSQL to run the tests on, reached by DSN as an operator's own
HOME = "MISENTINEL_HOME"
PREPARED = "TEST_PREPARED"  # this process has its databases already: it was forked from one that made them
# A test run need not survive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(PREPARED):
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        for name in [name for name in os.environ if name.startswith("MISENTINEL_")]:
            del os.environ[name]
        os.environ[HOME] = tempfile.mkdtemp(prefix="ms-test-")
        _start_clusters(config, Path(os.environ[HOME]))
    if worker is not None or not getattr(config.option, "numprocesses", None):
        _prepare_process(worker or "main")


def pytest_unconfigure(config: pytest.Config) -> None:
    reaper = getattr(config, "_reaper", None)
    if reaper is not None:
        reaper.stdin.close()
        reaper.wait(timeout=60)


def _start_clusters(config: pytest.Config, home: Path) -> None:
    from misentinel.store.embedded import EmbeddedCluster

    config._reaper = subprocess.Popen(  # type: ignore[attr-defined]
        [sys.executable, str(ROOT / "tests" / "reaper.py"), str(home)],
        stdin=subprocess.PIPE, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    other = os.environ.get(BINARIES)
    for name, databases in (("data", ("control",)), ("vault", ("vault",))):
        cluster = EmbeddedCluster(home, name, databases, binaries=Path(other) if other else None, options=FAST)
        cluster.start()
        if other and name == "data":
            described = {"main": {"dsn": cluster.dsn(), "provider": "debian", "location": "GB"}}
            os.environ["MISENTINEL_CLUSTERS"] = json.dumps(described)


def _prepare_process(worker: str) -> None:
    """Gives this process its own control and vault databases, and Django."""
    from misentinel.store.embedded import EmbeddedCluster

    home = Path(os.environ[HOME])
    for cluster, database in (("data", "control"), ("vault", "vault")):
        embedded = EmbeddedCluster(home, cluster)
        name = f"{database}_{worker}"
        with psycopg.connect(embedded.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        os.environ[f"MISENTINEL_{database.upper()}_URL"] = embedded.dsn(name)
    os.environ["MISENTINEL_REQUEST_RATE"] = "100000"  # the tests of the rate set their own
    os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
    import django

    django.setup()
    from misentinel.site import bootstrap
    from misentinel.trail import actions as trail

    bootstrap.prepare()
    trail.use_wake_up(lambda log: None)  # nobody works here, and the thread that tells would outlive the databases


@pytest.fixture(autouse=True)
def nobody_works_here() -> None:
    """Some tests wire the whole program up; the thread that tells a worker would outlive the next test's databases."""
    from misentinel.trail import actions as trail

    trail.use_wake_up(lambda log: None)


@pytest.fixture
def acme() -> Iterator[object]:
    """The customer that Asha owns."""
    yield from _customer("Acme")


@pytest.fixture
def bolt() -> Iterator[object]:
    """The customer that Mallory owns."""
    yield from _customer("Bolt")


def _customer(name: str) -> Iterator[object]:
    import uuid

    from misentinel.customers.actions import create_customer
    from misentinel.kernel.actor import system
    from misentinel.kernel.errors import MiSentinelError
    from misentinel.store import provisioning
    from misentinel.store.queries import get_store

    customer = create_customer(system("test"), name, slug=f"{name.lower()}-{uuid.uuid4().hex[:8]}")
    yield get_store(customer.id)
    try:
        provisioning.destroy(customer.id)
    except MiSentinelError:
        return
