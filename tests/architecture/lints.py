"""Checks of our own over the source, each a function from a parsed file to complaints. test_lints.py tests them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"}
# Django looks for a back end's wrapper in a module named `base`.
VAGUE_ALLOWED = {"store/postgres/base.py", "store/postgres/verified/base.py"}
_EXECUTING = {"execute", "executemany", "raw", "RawSQL", "copy"}
_SIGNALS = {"django.db.models.signals", "django.dispatch", "django.core.signals"}


def built_sql(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """SQL handed to a cursor must be a literal or composed by `psycopg.sql`, never formatted from strings."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in _EXECUTING and _formatted(node.args[0]):
            yield node.lineno, f"SQL for {name}() is built by formatting strings; use parameters or psycopg.sql"


def _formatted(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return _is_text(node.left) or _is_text(node.right) or _formatted(node.left)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format":
        return isinstance(node.func, ast.Attribute) and _is_text(node.func.value)
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def signals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What follows from a change stands in wiring.HANDLERS, not in a signal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in _SIGNALS:
            yield node.lineno, "Django signals are not used here; see site/wiring.py"


def swallowed(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """An exception that is caught is answered, told or raised again."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        broad = node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")
        if broad and all(isinstance(statement, ast.Pass) for statement in node.body):
            yield node.lineno, "a broad exception is swallowed"


def wall_clock(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Time comes from kernel.clock, so that a test can hold it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", "")
            if (owner, node.func.attr) in {("datetime", "now"), ("datetime", "utcnow"), ("timezone", "now")}:
                yield node.lineno, "use kernel.clock.now()"


def vague_name(relative: str) -> str:
    """Returns a complaint about a file whose name says nothing, else the empty string."""
    if Path(relative).stem in VAGUE and relative not in VAGUE_ALLOWED:
        return f"{relative}: a file is named by what it holds"
    return ""
