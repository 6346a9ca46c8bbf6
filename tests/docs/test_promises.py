"""A promise that names a file or test which is not there is a claim that nothing checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`((?:src|tests|docs|\.ci)/?[\w./-]*(?:::\w+)?)`", (ROOT / "docs" / "promises.md").read_text())


def test_the_page_names_things() -> None:
    assert len(NAMED) > 20


@pytest.mark.parametrize("named", sorted(set(NAMED)))
def test_what_a_promise_names_is_there(named: str) -> None:
    path, _, test = named.partition("::")
    assert (ROOT / path).exists(), f"{path} does not exist"
    if test:
        assert f"def {test}(" in (ROOT / path).read_text(), f"{path} has no test {test}"


def test_every_link_in_the_documents_leads_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []
