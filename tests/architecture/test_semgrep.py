"""Our rules for semgrep: each finds what it must and leaves alone what it must, and the source keeps them all."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "semgrep"
CASES = [str(path) for path in sorted((HERE / "cases").glob("*.py"))]
RULES = re.findall(r"^  - id: (\S+)$", (HERE / "rules.yaml").read_text(), re.MULTILINE)
MARK = re.compile(r"#\s*(ruleid|ok):\s*(.+)$")


def marked() -> Iterator[tuple[str, str, str, int]]:
    """Yields kind, rule, file and the line that the mark speaks of: the next that is no mark."""
    for path in sorted((HERE / "cases").glob("*.py")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if found := MARK.search(line):
                spoken_of = next(n for n in range(number + 1, len(lines) + 1) if not MARK.search(lines[n - 1]))
                for rule in found[2].split(","):
                    yield found[1], rule.strip(), path.name, spoken_of


@pytest.fixture(scope="module")
def found() -> dict[str, set[tuple[str, str, int]]]:
    """What semgrep finds in the cases and in the source, in one run."""
    arguments = ["--json", "--exclude", "tests/isolation", "--exclude", "migrations", "src", *CASES]
    done = subprocess.run(
        [ROOT / "scripts/semgrep", *arguments], capture_output=True, text=True, timeout=300, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["errors"] == []
    results: dict[str, set[tuple[str, str, int]]] = {"cases": set(), "source": set()}
    for each in answer["results"]:
        path = Path(each["path"])
        if "tests" in path.parts and "cases" not in path.parts:
            continue  # tests do what they must to break in
        where = "cases" if "cases" in path.parts else "source"
        told = path.name if where == "cases" else str(path)
        results[where].add((each["check_id"].rpartition(".")[2], told, each["start"]["line"]))
    return results


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_it_must_and_leaves_alone_what_it_must(rule: str, found) -> None:
    marks = list(marked())
    must = {(name, file, line) for kind, name, file, line in marks if (kind, name) == ("ruleid", rule)}
    must_not = {(name, file, line) for kind, name, file, line in marks if (kind, name) == ("ok", rule)}
    assert must and must_not, "each rule has a positive and a negative case"
    assert {each for each in found["cases"] if each[0] == rule} == must


def test_every_case_is_of_a_rule_that_exists() -> None:
    assert {rule for _, rule, _, _ in marked()} == set(RULES)


def test_the_source_keeps_every_rule(found) -> None:
    assert found["source"] == set()


def test_each_exception_in_the_source_names_its_rule() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for line in path.read_text().splitlines():
            if "nosemgrep" in line:
                assert re.search(r"nosemgrep: (\S+)", line)[1] in RULES, f"{path}: {line.strip()}"
