"""The same program on Debian's PostgreSQL 15, reached by DSN as an operator's own servers are.

The tests of what touches the database most run once more, in a run of their own against clusters of that version.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINARIES = Path("/usr/lib/postgresql/15/bin")
SUITES = [
    "src/misentinel/store/tests/test_provisioning.py",
    "src/misentinel/store/tests/test_migration.py",
    "src/misentinel/trail/tests/test_trail.py",
]


@pytest.mark.skipif(not (BINARIES / "initdb").exists(), reason="Debian's PostgreSQL 15 is not installed here")
def test_stores_and_trail_keep_their_promises_on_postgresql_15() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MISENTINEL_", "PYTEST_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-x", *SUITES],
        cwd=ROOT, env={**environment, "TEST_POSTGRES_BINARIES": str(BINARIES)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed.group(1)) >= 30
    assert "skipped" not in done.stdout
