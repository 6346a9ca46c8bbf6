"""docs/asvs.csv has every requirement of OWASP ASVS 5.0 once, and every "pass" in it names tests that exist and ran.

That they ran is asked at the end of every whole run (`tests/evidence.py`); here that they are there at all.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import evidence
from tests.docs import ledger

ROOT = Path(__file__).parents[2]
IDS = dict(line.split() for line in Path(__file__).with_name("asvs_ids.txt").read_text().splitlines() if line[0] != "#")
ROWS = ledger.read(ROOT)
# May only grow: what was met once stays met.
LEAST_MET = {1: 70, 2: 243, 3: 318}


def test_every_requirement_is_there_once_with_its_level():
    assert [(row.id, str(row.level)) for row in ROWS] == list(IDS.items())


def test_every_row_is_whole():
    for row in ROWS:
        assert row.status in ledger.STATUSES, row
        assert row.chapter == f"V{row.id.partition('.')[0]}", row
        assert row.what, row
        assert (row.status == "pass") <= bool(row.evidence), f"{row.id} passes and names no test"
        assert (row.status != "pass") <= (len(row.reason) > 15), f"{row.id} is {row.status} and gives no reason"


def test_nothing_in_the_webrtc_chapter_is_claimed():
    assert {row.status for row in ROWS if row.chapter == ledger.NOT_OURS} == {"n/a"}


def test_what_is_called_evidence_is_a_test_that_is_collected(request: pytest.FixtureRequest):
    named = sorted(ledger.evidence(ROOT))
    assert [one for one in named if one.partition("::")[2] not in written_in(one.partition("::")[0])] == []
    chosen = request.config.option.keyword or any("::" in argument for argument in request.config.args)
    collected = {item.nodeid.partition("[")[0] for item in request.session.items}
    files = {node.partition("::")[0] for node in collected}
    left_out = {one for one in named if one.partition("::")[0] in files} - collected
    assert chosen or not left_out, "written and not collected"


def test_the_totals_on_the_page_are_the_computed_ones():
    assert ledger.totals(ROWS) in (ROOT / "docs" / "security.md").read_text(), (
        f"docs/security.md should hold:\n{ledger.totals(ROWS)}"
    )


@pytest.mark.parametrize("level", LEAST_MET)
def test_what_was_met_stays_met(level: int):
    ours = [row for row in ROWS if row.level <= level and row.chapter != ledger.NOT_OURS]
    assert sum(row.status in {"pass", "n/a"} for row in ours) >= LEAST_MET[level]


def test_evidence_that_was_skipped_or_never_ran_is_told():
    asked = {"tests/test_a.py::test_one": ["ASVS 1.1.1"], "tests/test_a.py::test_two": ["ASVS 1.1.2"]}
    assert evidence.unproved(asked, {one: {"passed"} for one in asked}) == []
    told = evidence.unproved(asked, {"tests/test_a.py::test_one": {"passed", "skipped"}})
    assert told == [
        "tests/test_a.py::test_one is evidence for ASVS 1.1.1 and was skipped.",
        "tests/test_a.py::test_two is evidence for ASVS 1.1.2 and did not run.",
    ]


@pytest.mark.parametrize(
    ("arguments", "ends"), [([], 1), (["-m", "not audit"], 1), (["checks/test_there.py"], 0), (["-k", "runs"], 0)]
)
def test_a_whole_run_without_its_evidence_ends_in_red(tmp_path: Path, arguments: list[str], ends: int):
    """With a project of its own: one test that is called evidence runs, the other is skipped."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "checks").mkdir()
    header = "id,level,chapter,status,what,evidence,reason\n"
    row = "1.1.1,1,V1,pass,Something,checks/test_there.py::test_runs checks/test_there.py::test_skipped,\n"
    (tmp_path / "docs" / "asvs.csv").write_text(header + row)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = checks\nmarkers = audit\n")
    (tmp_path / "checks" / "test_there.py").write_text(
        'import pytest\n\n\ndef test_runs():\n    pass\n\n\ndef test_skipped():\n    pytest.skip("not today")\n'
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.evidence", "-p", "no:cacheprovider", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert evidence.EVERY_DAY in (ROOT / "pyproject.toml").read_text()
    assert ran.returncode == ends, ran.stdout + ran.stderr
    assert ("test_skipped is evidence for ASVS 1.1.1 and was skipped" in ran.stdout) == bool(ends)


@cache
def written_in(path: str) -> set[str]:
    """The tests of a file that pytest looks into, those of a class as `Class::test`; none for any other file."""
    file = ROOT / path
    if not file.exists() or not file.name.startswith("test_") or not path.startswith(("src/", "tests/")):
        return set()
    return set(_names(ast.parse(file.read_text()).body, ""))


def _names(body: list[ast.stmt], within: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield within + node.name
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _names(node.body, f"{node.name}::")
