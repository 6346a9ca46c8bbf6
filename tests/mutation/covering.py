"""Which test walks over which statement of a guarded file, and how long it takes. Learnt by running the tests once.

Every statement of a function says that it was come by. That costs next to nothing, where tracing costs a multiple.
"""

from __future__ import annotations

import ast
import builtins
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.mutation.applying import Planting
from tests.mutation.finding import ROOT

_SAYING = "__walked_over__"


class Watching:
    """A pytest plugin: `lines` holds for each file and statement the tests that ran it, `seconds` what each took."""

    def __init__(self, paths: list[str]) -> None:
        """`paths` are the files to watch, below `src/misentinel`."""
        self._paths = paths
        self._now: set[tuple[str, int]] = set()
        self.lines: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.seconds: dict[str, float] = {}
        self.failed: dict[str, str] = {}

    def pytest_collection_finish(self) -> None:
        setattr(builtins, _SAYING, self._now.add)
        planting = Planting()
        for path in self._paths:
            planting.replace(path, instrumented(path, (ROOT / path).read_text()))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._now.clear()
        result = yield
        for path, line in self._now:
            self.lines[path][line].append(item.nodeid)
        return result  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.outcome != "passed":
            self.failed[report.nodeid] = str(report.longrepr)[-2000:]


def instrumented(path: str, source: str) -> ast.Module:
    """The file's tree, with a word before every statement of its functions."""
    return ast.fix_missing_locations(_Saying(path).visit(ast.parse(source)))


def statements(source: str) -> list[int]:
    """The first lines of the statements in functions, in order."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return sorted(
        {inner.lineno for function in functions for inner in ast.walk(function) if isinstance(inner, ast.stmt)}
    )


def statement_of(lines: list[int], line: int) -> int:
    """The statement that `line` belongs to, out of all of a file's."""
    return lines[max(0, bisect_right(lines, line) - 1)]


class _Saying(ast.NodeTransformer):
    def __init__(self, path: str) -> None:
        self._path, self._depth = path, 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self._depth:
            for block in ("body", "orelse", "finalbody"):
                inner = getattr(node, block, None)
                if isinstance(inner, list):
                    setattr(node, block, [said for one in inner for said in (self._saying(one), one)])
        return node

    def _saying(self, statement: ast.stmt) -> ast.stmt:
        told = ast.Tuple([ast.Constant(self._path), ast.Constant(statement.lineno)], ast.Load())
        call = ast.Call(ast.Name(_SAYING, ast.Load()), [told], [])
        return ast.copy_location(ast.Expr(call), statement)
