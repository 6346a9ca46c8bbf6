from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture import lints

SOURCE = Path(__file__).parents[2] / "src" / "misentinel"
FILES = sorted(p for p in SOURCE.rglob("*.py") if "tests" not in p.parts and "migrations" not in p.parts)
LONGEST_FILE = 400


def _complaints(check) -> list[str]:
    return [
        f"{path.relative_to(SOURCE)}:{line}: {told}"
        for path in FILES
        for line, told in check(ast.parse(path.read_text()))
    ]


@pytest.mark.parametrize("check", [lints.built_sql, lints.signals, lints.swallowed])
def test_the_source_keeps_the_rule(check) -> None:
    assert _complaints(check) == []


def test_time_comes_from_the_kernels_clock() -> None:
    assert [c for c in _complaints(lints.wall_clock) if not c.startswith("kernel/clock.py")] == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [c for p in FILES if (c := lints.vague_name(str(p.relative_to(SOURCE))))] == []


def test_no_file_outgrows_its_readers() -> None:
    long = {str(p.relative_to(SOURCE)): n for p in FILES if (n := len(p.read_text().splitlines())) > LONGEST_FILE}
    assert long == {}


def test_every_file_says_what_it_is() -> None:
    silent = [
        str(p.relative_to(SOURCE))
        for p in FILES
        if p.stem not in ("__init__", "apps") and ast.get_docstring(ast.parse(p.read_text())) is None
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (lints.built_sql, "c.execute(f'SELECT {x}')", "c.execute('SELECT %s', [x])"),
        (lints.built_sql, "c.execute('SELECT ' + x)", "c.execute(sql.SQL('SELECT {}').format(x))"),
        (lints.built_sql, "c.execute('SELECT %s' % x)", "c.execute(STATEMENT)"),
        (lints.built_sql, "c.execute('SELECT {}'.format(x))", "print('SELECT {}'.format(x))"),
        (lints.built_sql, "M.objects.raw(f'{x}')", "M.objects.raw('SELECT 1')"),
        (lints.signals, "from django.db.models.signals import post_save", "from django.db import models"),
        (lints.swallowed, "try:\n  f()\nexcept Exception:\n  pass", "try:\n  f()\nexcept OSError:\n  pass"),
        (lints.wall_clock, "datetime.now(UTC)", "clock.now()"),
    ],
)
def test_each_rule_catches_what_it_forbids_and_nothing_else(check, bad: str, good: str) -> None:
    assert list(check(ast.parse(bad)))
    assert not list(check(ast.parse(good)))


def test_the_rule_about_names_catches_a_vague_one() -> None:
    assert lints.vague_name("people/utils.py")
    assert not lints.vague_name("people/rules.py")


def test_the_program_does_not_link_to_files_beside_its_checkout() -> None:
    root = SOURCE.parents[1]
    texts = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *FILES]
    assert [str(p) for p in texts if re.search(r"\.\./shared|/work/", p.read_text())] == []
