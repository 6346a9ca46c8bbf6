"""Holds a whole run to our documents: a test that is called evidence must have run and passed, not been skipped.

A partial run (paths, `-k`, `-m`) says nothing about the tests that it left out, so there nothing is asked. Under xdist
the controller sees every report, so it alone judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs import ledger

EVERY_DAY = "not audit"  # what pyproject.toml chooses: everything but the slow checks of `make audit`


class Evidence:
    """Collects how every test ended, and compares at the end of a whole run."""

    def __init__(self) -> None:
        self._outcomes: dict[str, set[str]] = {}
        self.complaints: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._outcomes.setdefault(report.nodeid.partition("[")[0], set()).add(report.outcome)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and _is_whole(session.config):
            root = session.config.rootpath
            asked = {test: whose for test, whose in ledger.evidence(root).items() if not _is_left_to_audit(root, test)}
            self.complaints = unproved(asked, self._outcomes)
        if self.complaints:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.complaints:
            terminalreporter.section("evidence that is none", red=True, bold=True)
            terminalreporter.write_line("\n".join(self.complaints))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Evidence(), "evidence")


def unproved(evidence: Mapping[str, list[str]], outcomes: Mapping[str, set[str]]) -> list[str]:
    """Returns a sentence for each test that is called evidence and did not run, or was skipped in any form."""
    return [
        f"{test} is evidence for {', '.join(whose)} and "
        + (f"was {'/'.join(sorted(ended - {'passed'}))}." if (ended := outcomes.get(test, set())) else "did not run.")
        for test, whose in sorted(evidence.items())
        if outcomes.get(test) != {"passed"}
    ]


def _is_left_to_audit(root: Path, test: str) -> bool:
    """Whether the test's file has tests that only `make audit` runs."""
    path = root / test.partition("::")[0]
    return path.exists() and "pytest.mark.audit" in path.read_text()


def _is_whole(config: pytest.Config) -> bool:
    chosen = config.option.keyword or config.option.markexpr not in ("", EVERY_DAY) or config.option.collectonly
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen
