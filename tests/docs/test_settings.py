"""docs/guide/settings.md lists every setting there is, with its default, and none that there is not."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from misentinel.kernel.settings import PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "settings.md"


def expected() -> list[str]:
    """The rows as they should be, in the order of the settings."""
    return [
        f"| `{field.name}` | `{PREFIX}{field.name.upper()}` | {_default(field.default)} | {field.metadata['help']} |"
        for field in fields(Settings)
    ]


def _default(value: object) -> str:
    return f"`{value}`" if str(value) else "empty"


def test_the_page_lists_every_setting_as_the_program_knows_it():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == expected(), "docs/guide/settings.md should hold these rows:\n" + "\n".join(expected())
