"""Lets the tests that walk over a guard loose on its mutant. Who is noticed by none of them survives."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.applying import Planting
from tests.mutation.covering import Watching, statement_of, statements
from tests.mutation.finding import ROOT, Mutant
from tests.mutation.ground import Fork, run_session

LIMIT_SECONDS = 60
_BUDGET_SECONDS = 40.0  # of tests for one mutant, as they took without it
_PROCESSES = 2
_MAY_FAIL = 0.02


@dataclass(slots=True)
class Covering:
    """What one run of the tests without any mutant showed."""

    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    walked: Counter[str] = field(default_factory=Counter)

    def add(self, told: dict[str, Any]) -> None:
        """Adds what one process learnt. Tests that failed in it cover nothing."""
        broken = {*told["failed"]}
        self.seconds |= told["seconds"]
        for path, found in told["lines"].items():
            for line, tests in found.items():
                self.lines.setdefault(path, {}).setdefault(int(line), []).extend(t for t in tests if t not in broken)
                self.walked.update(tests)

    def tests_for(self, mutant: Mutant) -> list[str]:
        """The tests that walk over the guard: its neighbours first, and of those the quick that walk over least."""
        statement = statement_of(statements((ROOT / mutant.path).read_text()), mutant.line)
        found = {*self.lines.get(mutant.path, {}).get(statement, ())}
        home = f"src/misentinel/{Path(mutant.path).parts[0]}/"
        cost = {test: self.walked[test] * (0.2 + self.seconds[test]) for test in found}
        chosen, spent = [], 0.0
        for test in sorted(found, key=lambda test: (not test.startswith(home), cost[test], test)):
            spent += self.seconds[test]
            if chosen and spent > _BUDGET_SECONDS:
                break
            chosen.append(test)
        return chosen


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


def learn_covering(mutants: list[Mutant], files: list[str]) -> Covering:
    """Runs the tests once, shared by two forks."""
    paths = sorted({mutant.path for mutant in mutants})
    covering = Covering()
    with tempfile.TemporaryDirectory(prefix="ms-mutation-") as folder:
        shares = [share for number in range(_PROCESSES) if (share := files[number::_PROCESSES])]
        told = [Path(folder) / str(number) for number in range(len(shares))]
        forks = [Fork(_watching(share, paths, path)) for share, path in zip(shares, told, strict=True)]
        try:
            while any([not fork.ended() for fork in forks]):  # noqa: C419  every one is asked
                time.sleep(0.1)
        finally:
            for fork in forks:
                fork.end()
        for path in told:
            found = json.loads(path.read_text())
            _require_sound(found["failed"], len(found["seconds"]))
            covering.add(found)
    return covering


def _require_sound(failed: dict[str, str], tests: int) -> None:
    """A test that fails by itself can notice nothing. Where they are many, what this run says is worth nothing."""
    if len(failed) > _MAY_FAIL * tests:
        name, why = next(iter(failed.items()))
        raise RuntimeError(f"{len(failed)} of {tests} tests fail without any mutant; the first is {name}:\n{why}")


def judge(mutants: list[Mutant], covering: Covering) -> Iterator[Verdict]:
    """Yields a verdict for each mutant, as they come."""
    chosen = {mutant.name: covering.tests_for(mutant) for mutant in mutants}
    yield from (Verdict(mutant, "uncovered") for mutant in mutants if not chosen[mutant.name])
    covered = [mutant for mutant in mutants if chosen[mutant.name]]
    with tempfile.TemporaryDirectory(prefix="ms-mutation-") as folder:
        shares = [covered[number::_PROCESSES] for number in range(_PROCESSES)]
        workers = [_Worker(share, chosen, Path(folder) / str(number)) for number, share in enumerate(shares)]
        try:
            while any([worker.busy() for worker in workers]):  # noqa: C419  every one is asked
                for worker in workers:
                    yield from worker.verdicts()
                time.sleep(0.05)
            for worker in workers:
                yield from worker.verdicts()
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """Forks, and forks again for the rest where a mutant took the process with it."""

    def __init__(self, mutants: list[Mutant], chosen: dict[str, list[str]], told: Path) -> None:
        self._left, self._chosen, self._told = mutants, chosen, told
        self._fork: Fork | None = None
        self._fell: list[Verdict] = []

    def busy(self) -> bool:
        if self._fork is not None and not self._fork.ended():
            if time.time() - self._told.stat().st_mtime > 3 * LIMIT_SECONDS:
                self._fork.end()
            return True
        fell_first = self._fork is not None and not self._lines()
        self._fell += self.verdicts()
        if fell_first and self._left:  # fresh databases, and still no verdict: it was the mutant
            self._fell.append(Verdict(self._left.pop(0), "crashed"))
        self._told.write_text("")
        if self._left:
            self._fork = Fork(_facing(self._left, self._chosen, self._told))
        return bool(self._left)

    def verdicts(self) -> list[Verdict]:
        """Those that have come since the last time."""
        found, self._fell = self._fell, []
        known = {mutant.name: mutant for mutant in self._left}
        for line in self._lines():
            told = json.loads(line)
            mutant = known.pop(told["name"], None)
            if mutant is not None:
                tests = len(self._chosen[mutant.name])
                found.append(Verdict(mutant, told["how"], told["by"], tests, told["seconds"]))
        self._left = list(known.values())
        return found

    def end(self) -> None:
        if self._fork is not None:
            self._fork.end()

    def _lines(self) -> list[str]:
        whole = self._told.read_text() if self._told.exists() else ""
        return whole[: whole.rfind("\n") + 1].splitlines()


class _Late(BaseException):
    """The time limit of one mutant."""


class _Facing:
    """A pytest plugin: instead of running every test once, runs for each mutant those chosen for it."""

    def __init__(self, mutants: list[Mutant], chosen: dict[str, list[str]], told: Path) -> None:
        self._mutants, self._chosen, self._told = mutants, chosen, told

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        planting = Planting()
        signal.signal(signal.SIGALRM, self._ring)
        for number, mutant in enumerate(self._mutants):
            began = time.monotonic()
            tests = [items[test] for test in self._chosen[mutant.name]]
            with planting.planted(mutant) as functions:
                noticed, late = self._noticed(tests) if functions else (None, False)
            if noticed is not None and number and self._noticed([noticed])[0] is not None:
                return True  # an earlier mutant has left something behind: this one again, on fresh databases
            how = "late" if late else "killed" if noticed else "survived" if functions else "never planted"
            by = noticed.nodeid if noticed else ""
            told = {"name": mutant.name, "how": how, "by": by, "seconds": round(time.monotonic() - began, 2)}
            with self._told.open("a") as file:
                file.write(json.dumps(told) + "\n")
        return True

    def _noticed(self, tests: list[pytest.Item]) -> tuple[pytest.Item | None, bool]:
        """The first test that fails, and whether it was stopped."""
        self._late = False
        signal.alarm(LIMIT_SECONDS)
        try:
            for item, following in zip(tests, [*tests[1:], None], strict=True):
                item._initrequest()  # type: ignore[attr-defined]  # as for a test that is run again
                if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                    item.session._setupstate.teardown_exact(None)
                    return item, self._late
        finally:
            signal.alarm(0)
        return None, False

    def _ring(self, *_: object) -> None:
        self._late = True
        raise _Late


def _watching(files: list[str], paths: list[str], told: Path) -> Any:
    def job() -> None:
        watching = Watching(paths)
        run_session(files, watching)
        found = {"lines": watching.lines, "seconds": watching.seconds, "failed": watching.failed}
        told.write_text(json.dumps(found))

    return job


def _facing(mutants: list[Mutant], chosen: dict[str, list[str]], told: Path) -> Any:
    def job() -> None:
        files = {test.partition("::")[0] for mutant in mutants for test in chosen[mutant.name]}
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        run_session(sorted(files), _Facing(mutants, chosen, told))

    return job
