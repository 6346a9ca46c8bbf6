"""The tool finds every kind of guard, takes it away and nothing else, and tells survivors from the killed."""

from __future__ import annotations

import ast
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation import equivalent
from tests.mutation.applying import Planting
from tests.mutation.covering import instrumented, statement_of, statements
from tests.mutation.finding import ROOT, Mutant, find_mutants, mutants_of, mutated
from tests.mutation.ground import GROUND
from tests.mutation.judging import Covering, _require_sound, judge

MUTANTS = find_mutants()
CHECKS = """
def change(actor, row, limit):
    if row is None or row.ended:
        raise NotFound("There is no such thing.")
    require_reach(actor, row)
    if limit:
        return 1
    return allowed(actor, "x")
"""
QUERY = """
def find(store, customer_id):
    return Row.objects.using(store.alias).filter(customer_id=customer_id, ended_at=None).first()
"""


def kinds_of(path: str, source: str) -> list[tuple[str, str]]:
    return [(mutant.kind, mutant.text) for mutant in mutants_of(path, source)]


def test_every_kind_of_check_is_found() -> None:
    assert kinds_of("teammates/actions/x.py", CHECKS) == [
        ("never", "row is None or row.ended"),
        ("always", "row is None or row.ended"),
        ("without", "row is None"),
        ("without", "row.ended"),
        ("not required", "require_reach(actor, row)"),
        ("yes", "allowed(actor, 'x')"),
        ("no", "allowed(actor, 'x')"),
    ]


def test_where_principals_are_judged_every_condition_is_a_guard() -> None:
    assert ("never", "limit") in kinds_of("teammates/rules.py", CHECKS)


def test_what_narrows_a_query_is_found() -> None:
    assert kinds_of("people/queries.py", QUERY) == [
        ("any", "customer_id=customer_id"),
        ("any", "ended_at=None"),
        ("store not named", "Row.objects.using(store.alias)"),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "becomes"),
    [
        ("never", "row is None or row.ended", "if False and (row is None or row.ended):"),
        ("always", "row is None or row.ended", "if True or (row is None or row.ended):"),
        ("without", "row.ended", "if row is None:"),
        ("not required", "require_reach(actor, row)", "    pass"),
        ("yes", "allowed(actor, 'x')", "return True or allowed(actor, 'x')"),
    ],
)
def test_a_check_is_taken_away_and_nothing_else(kind: str, text: str, becomes: str) -> None:
    changed = changes("teammates/actions/x.py", CHECKS, kind, text)
    assert len(changed) == 1
    assert becomes in changed[0]


@pytest.mark.parametrize(
    ("kind", "text", "becomes"),
    [
        ("any", "customer_id=customer_id", "Row.objects.using(store.alias).filter(ended_at=None)"),
        ("store not named", "Row.objects.using(store.alias)", "Row.objects.filter(customer_id=customer_id"),
    ],
)
def test_a_query_is_widened_and_nothing_else(kind: str, text: str, becomes: str) -> None:
    (changed,) = changes("people/queries.py", QUERY, kind, text)
    assert becomes in changed


def changes(path: str, source: str, kind: str, text: str) -> list[str]:
    mutant = next(m for m in mutants_of(path, source) if (m.kind, m.text) == (kind, text))
    before = ast.unparse(ast.parse(source)).splitlines()
    return [line for line in ast.unparse(mutated(source, mutant)).splitlines() if line not in before]


def test_every_mutant_of_the_program_is_code_and_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) > 500
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS[::10]:
        compile(mutated((ROOT / mutant.path).read_text(), mutant), mutant.path, "exec")


@pytest.mark.parametrize(
    "path",
    ["web/gate.py", "web/identity.py", "teammates/rules.py", "teammates/queries/principals.py", "store/planes.py"],
)
def test_the_files_that_decide_have_guards(path: str) -> None:
    assert any(mutant.path == path for mutant in MUTANTS)


def test_every_mutant_stands_in_a_statement_that_can_be_watched() -> None:
    for path in {mutant.path for mutant in MUTANTS}:
        source = (ROOT / path).read_text()
        compile(instrumented(path, source), path, "exec")
        lines = statements(source)
        assert all(0 <= m.line - statement_of(lines, m.line) < 20 for m in MUTANTS if m.path == path), path


def test_nobody_is_excused_who_is_no_longer_there() -> None:
    names = {mutant.name for mutant in MUTANTS}
    assert [name for name in equivalent.reasons() if name not in names] == []


def test_an_excuse_without_a_reason_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(equivalent, "LIST", tmp_path / "equivalent.txt")
    equivalent.LIST.write_text("# why\na.py::f: never: x\n    it is asked again below\n")
    assert equivalent.reasons() == {"a.py::f: never: x": "it is asked again below"}
    equivalent.LIST.write_text("a.py::f: never: x\nb.py::g: never: y\n")
    with pytest.raises(ValueError, match="reason"):
        equivalent.reasons()


def test_a_mutant_is_listed_with_its_line() -> None:
    mutant = Mutant("web/gate.py", 7, "f", "never", "x", 1)
    assert str(mutant) == "src/misentinel/web/gate.py:7: f: never: x"


def run(*arguments: str, report: Path) -> subprocess.CompletedProcess[str]:
    """The tool as `make audit` starts it, on this run's clusters."""
    command = [sys.executable, "-m", "tests.mutation", *arguments, "--report", str(report)]
    return subprocess.run(
        command, cwd=ROOT.parents[1], env={**os.environ, GROUND: "1", "PYTHONPATH": ".:src"}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_sample_of_guards_cannot_be_taken_away_unnoticed(tmp_path) -> None:
    tests = "src/misentinel/teammates/tests/test_rules.py,src/misentinel/teammates/tests/test_keys.py"
    told = run("--only", "teammates/rules.py", "--sample", "6", "--tests", tests, report=tmp_path)
    assert (told.returncode, told.stderr) == (0, ""), told.stdout
    assert "killed 6 of 6 guards taken away" in told.stdout
    verdicts = json.loads((tmp_path / "guards.json").read_text())["verdicts"]
    assert {verdict["how"] for verdict in verdicts} == {"killed"}
    assert all(verdict["by"].startswith("src/misentinel/teammates/tests/") for verdict in verdicts)


def test_a_function_that_the_collector_no_longer_counts_is_found_all_the_same() -> None:
    gc.freeze()  # as the web server does before it forks
    planting = Planting()
    assert planting.replace("teammates/rules.py", ast.parse((ROOT / "teammates/rules.py").read_text())) == []
    mutant = next(mutant for mutant in MUTANTS if mutant.path == "teammates/rules.py")
    with planting.planted(mutant) as functions:
        assert functions


def test_tests_that_fail_by_themselves_judge_nothing() -> None:
    _require_sound({}, 100)
    with pytest.raises(RuntimeError, match="3 of 100 tests fail without any mutant; the first is tests/test_a"):
        _require_sound({f"tests/test_a.py::test_{n}": "assert False" for n in range(3)}, 100)


def test_a_guard_that_no_test_walks_over_has_survived() -> None:
    (verdict,) = judge([MUTANTS[0]], Covering())
    assert (verdict.how, verdict.killed) == ("uncovered", False)


def test_the_neighbours_that_walk_over_least_come_first() -> None:
    path = "teammates/rules.py"
    line = statements((ROOT / path).read_text())[0]
    tests = ["tests/a.py::x", "src/misentinel/teammates/tests/b.py::y", "src/misentinel/teammates/tests/c.py::z"]
    covering = Covering()
    lines = {path: {line: tests}, "web/gate.py": {1: tests[1:2]}}
    covering.add({"lines": lines, "seconds": dict.fromkeys(tests, 0.1), "failed": []})
    assert covering.tests_for(Mutant(path, line, "f", "never", "x", 1)) == [tests[2], tests[1], tests[0]]
