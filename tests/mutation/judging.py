"""Lets the tests that walk over a guard loose on its mutant. Who is noticed by none of them survives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.applying import plant
from tests.mutation.covering import Watching
from tests.mutation.finding import Mutant
from tests.mutation.ground import Job, in_forks, run_tests

LIMIT_SECONDS = 90.0
_BUDGET_SECONDS = 40.0  # of tests for one mutant, as they took without it
TESTS = ("src", "tests/isolation", "tests/permissions", "tests/architecture", "tests/test_outages.py")
_LEFT_OUT = (
    "src/misentinel/site/", "src/misentinel/kernel/", "tests/permissions/test_matrix", "test_many_processes", "test_smtp",
    "test_mime", "test_faults", "test_latency", "test_templates", "test_protocol", "test_cards", "test_root_key",
)  # fmt: skip
"""What starts programs or floods them, and what walks over no guard: too slow to be let loose on every mutant."""


@dataclass(slots=True)
class Covering:
    """What one run of the tests without any mutant showed."""

    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def tests_for(self, mutant: Mutant) -> list[str]:
        """The tests that walk over the guard: its neighbours first, and of those the ones that walk over least."""
        lines = self.lines.get(mutant.path, {})
        found = {test for line in range(mutant.line, mutant.last_line + 1) for test in lines.get(line, ())}
        home = f"src/misentinel/{Path(mutant.path).parts[0]}/"
        walked = self._walked()
        ordered = sorted(found, key=lambda test: (not test.startswith(home), walked[test] * (0.2 + self.seconds[test])))
        chosen, spent = [], 0.0
        for test in ordered:
            spent += self.seconds[test]
            if chosen and spent > _BUDGET_SECONDS:
                break
            chosen.append(test)
        return chosen

    def _walked(self) -> dict[str, int]:
        if not _walked_by:
            for lines in self.lines.values():
                for tests in lines.values():
                    for test in tests:
                        _walked_by[test] = _walked_by.get(test, 0) + 1
        return _walked_by


_walked_by: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`how`: killed, late (stopped at the time limit), crashed, survived, or uncovered: no test walks over it."""

    mutant: Mutant
    how: str
    by: str = ""
    tests: int = 0
    seconds: float = 0.0

    @property
    def killed(self) -> bool:
        return self.how in {"killed", "late", "crashed"}


def learn_covering(mutants: list[Mutant], paths: list[Path]) -> Covering:
    """Runs the tests of every file once, each file in a fork of its own. Those that fail cover nothing."""
    lines: dict[str, set[int]] = {}
    for mutant in mutants:
        lines.setdefault(mutant.path, set()).update(range(mutant.line, mutant.last_line + 1))
    covering, broken = Covering(), set()
    for number, ended in in_forks([_watching(str(path), lines) for path in paths], limit=300):
        if ended.value is None:
            raise RuntimeError(f"{paths[number]} did not run without a mutant")
        broken |= {*ended.value["failed"]}
        covering.seconds |= ended.value["seconds"]
        for path, found in ended.value["lines"].items():
            for line, tests in found.items():
                covering.lines.setdefault(path, {}).setdefault(int(line), []).extend(set(tests) - broken)
    for test in sorted(broken):
        print(f"fails or is left out without any mutant: {test}", flush=True)
    return covering


def judge(mutants: list[Mutant], covering: Covering) -> Iterator[Verdict]:
    """Yields a verdict for each mutant, as they come."""
    chosen = [covering.tests_for(mutant) for mutant in mutants]
    covered = [(mutant, tests) for mutant, tests in zip(mutants, chosen, strict=True) if tests]
    yield from (Verdict(mutant, "uncovered") for mutant, tests in zip(mutants, chosen, strict=True) if not tests)
    for number, ended in in_forks([_facing(mutant, tests) for mutant, tests in covered], limit=LIMIT_SECONDS):
        mutant, tests = covered[number]
        how = "late" if ended.late else "crashed" if ended.crashed else ended.value["how"]
        by = ended.value["by"] if ended.value else ""
        yield Verdict(mutant, how, by, len(tests), round(ended.seconds, 2))


def test_files(root: Path) -> list[Path]:
    found = [
        file
        for path in TESTS
        for file in sorted([root / path] if path.endswith(".py") else (root / path).rglob("test_*.py"))
    ]
    return [file.relative_to(root) for file in found if not any(left in str(file) for left in _LEFT_OUT)]


def as_row(verdict: Verdict) -> dict[str, Any]:
    return {"name": verdict.mutant.name, **asdict(verdict.mutant), "how": verdict.how, "by": verdict.by,
            "tests": verdict.tests, "seconds": verdict.seconds}  # fmt: skip


def _watching(path: str, lines: dict[str, set[int]]) -> Job:
    def job() -> dict[str, Any]:
        watching = Watching(lines)
        run_tests([path], [watching], stop=False)
        return {"lines": watching.lines, "seconds": watching.seconds, "failed": sorted(watching.failed)}

    return job


class _Noticing:
    """A pytest plugin: which test failed first."""

    by = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.by:
            self.by = report.nodeid


def _facing(mutant: Mutant, tests: list[str]) -> Job:
    def job() -> dict[str, str]:
        if not plant(mutant):
            return {"how": "never planted", "by": ""}
        noticing = _Noticing()
        code = run_tests(tests, [noticing])
        how = {0: "survived", 1: "killed"}.get(code, f"pytest ended with {code}")
        return {"how": how, "by": noticing.by}

    return job
