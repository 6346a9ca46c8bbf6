"""The audit's own verdicts: what could not look is unknown and never clean, and one finding is enough to fail."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/audit"
VERSION = [sys.executable, "--version"]


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("audit", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("audit", loader))
    loader.exec_module(module)
    return module


def saying(text: str, code: int) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


@pytest.mark.parametrize(
    ("command", "verdict", "word"),
    [
        (saying("3 passed", 0), 0, "clean"),
        (saying("a hole in x.py", 1), 1, "findings"),
        (saying("the feed does not answer", 3), 3, "unknown"),
        (saying("killed", 137), 3, "unknown"),
        (saying("2 passed, 1 skipped", 0), 3, "unknown"),
        (saying("no tests ran", 5), 3, "unknown"),
        (["/no/such/tool"], 3, "unknown"),
    ],
)
def test_a_check_is_judged_by_what_it_did(audit, capsys, command, verdict, word) -> None:
    assert audit.run("tool", VERSION, command) == verdict
    first, *rest = capsys.readouterr().out.splitlines()
    assert f": {word} (" in first
    assert bool(rest) == (verdict != 0), "what it said follows, unless it is clean"


@pytest.mark.parametrize(("codes", "code"), [([0, 0], 0), ([0, 3], 3), ([3, 1], 1), ([1, 0], 1)])
def test_the_worst_verdict_decides(audit, monkeypatch, codes: list[int], code: int) -> None:
    checks = [(f"check-{n}", VERSION, saying("", each)) for n, each in enumerate(codes)]
    monkeypatch.setattr(audit, "CHECKS", checks)
    assert audit.main([]) == code


def test_a_check_that_nobody_has_heard_of_is_no_clean_one(audit) -> None:
    assert audit.main(["no-such-check"]) == 2
