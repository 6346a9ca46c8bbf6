"""The command line as a process of its own: whatever is wrong, one sentence, an exit code and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connections

from misentinel.store.contracts import Store
from misentinel.store.models import Placement


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from misentinel.site.main import main; main()", *arguments]
    return subprocess.run(
        program, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("CONTROL_URL", "host=/nowhere password=hunter2", "names no database"),
        ("CONTROL_URL", "host=127.0.0.1 password=hunter2 dbname=control", "verify-full"),
        ("CONTROL_URL", "password=hunter2 zz%%", "DSN that cannot be read"),
        ("CONTROL_URL", "postgresql://control:hunter2@/control?host=/nowhere", "cannot be reached"),
        ("LOG_LEVEL", "NOISY", "must be one of"),
        ("COLOUR", "red", "no setting colour"),
    ],
)
def test_a_wrong_setting_is_one_sentence(setting: str, value: str, told: str) -> None:
    done = _run("customer", "list", **{f"MISENTINEL_{setting}": value})
    assert done.returncode in (69, 78), done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "hunter2" not in done.stderr


def test_a_settings_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    done = _run("customer", "list", MISENTINEL_CONFIG=str(tmp_path / "odd.toml"))
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (78, 1), done.stderr


def test_a_broken_store_is_named_and_its_traceback_stays_in_the_log(acme: Store) -> None:
    Placement.objects.filter(customer_id=acme.customer_id).update(schema="old", database="ms_not_there")
    connections["default"].close()
    try:
        done = _run("stores", "migrate")
    finally:
        database = acme.alias.partition(":")[2]
        Placement.objects.filter(customer_id=acme.customer_id).update(database=database)
    assert done.returncode == 69
    assert str(acme.customer_id) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in (Path(os.environ["MISENTINEL_HOME"]) / "log" / "cli.log").read_text()
