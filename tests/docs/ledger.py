"""The ledger of OWASP ASVS 5.0 (docs/asvs.csv) as rows, its totals, and the tests that our documents call evidence."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

STATUSES = ("pass", "partial", "fail", "n/a")
NOT_OURS = "V17"  # WebRTC: nothing here speaks it, so its chapter is in no total
_NAMED = re.compile(r"`((?:src|tests)/[\w./-]+\.py(?:::Test\w+)?::test_\w+)`")


@dataclass(frozen=True)
class Row:
    """One requirement: how it stands with us, the tests that show it, and why where it does not simply pass."""

    id: str
    level: int
    chapter: str
    status: str
    what: str
    evidence: tuple[str, ...]
    reason: str


def read(root: Path) -> list[Row]:
    with (root / "docs" / "asvs.csv").open(newline="") as file:
        return [
            Row(line["id"], int(line["level"]), line["chapter"], line["status"], line["what"],
                tuple(line["evidence"].split()), line["reason"])
            for line in csv.DictReader(file)
        ]  # fmt: skip


def evidence(root: Path) -> dict[str, list[str]]:
    """Returns every test that the ledger or docs/security.md calls evidence, with who calls on it."""
    found: dict[str, list[str]] = {}
    for row in read(root):
        for test in row.evidence:
            found.setdefault(test, []).append(f"ASVS {row.id}")
    page = root / "docs" / "security.md"
    for test in _NAMED.findall(page.read_text()) if page.exists() else ():
        found.setdefault(test, []).append("docs/security.md")
    return found


def totals(rows: list[Row]) -> str:
    """The table of docs/security.md: cumulative by level, without WebRTC. "met" is pass and n/a together."""
    lines = [
        "| up to level | requirements | met | of these pass | of these n/a | partial | fail |",
        "|---|---|---|---|---|---|---|",
    ]
    for level in (1, 2, 3):
        ours = [row for row in rows if row.level <= level and row.chapter != NOT_OURS]
        count = Counter(row.status for row in ours)
        lines.append(
            f"| {level} | {len(ours)} | {count['pass'] + count['n/a']} | {count['pass']} | {count['n/a']} "
            f"| {count['partial']} | {count['fail']} |"
        )
    return "\n".join(lines)
