"""Which test walks over which line of a guarded file, and how long it takes. Learnt by running the tests once."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

from tests.mutation.finding import ROOT

_SOURCE = f"{ROOT}/"


class Watching:
    """A pytest plugin: `lines` holds for each file and line the tests that ran it, `seconds` what each test took."""

    def __init__(self, lines: dict[str, set[int]]) -> None:
        """`lines` are those of interest, by file below `src/misentinel`."""
        self._wanted = {_SOURCE + path: numbers for path, numbers in lines.items()}
        self._codes: dict[CodeType, bool] = {}
        self._now: set[tuple[str, int]] = set()
        self.lines: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._now = set()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)  # type: ignore[misc]
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            for path, line in self._now:
                self.lines[path.removeprefix(_SOURCE)][line].append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.outcome != "passed":
            self.failed.add(report.nodeid)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        watched = self._codes.get(code)
        if watched is None:
            watched = self._codes[code] = self._has_a_guard(code)
        return self._trace_lines if watched else None

    def _trace_lines(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._now.add((frame.f_code.co_filename, frame.f_lineno))
        return self._trace_lines

    def _has_a_guard(self, code: CodeType) -> bool:
        wanted = self._wanted.get(code.co_filename)
        return bool(wanted) and any(line in wanted for _, _, line in code.co_lines())
