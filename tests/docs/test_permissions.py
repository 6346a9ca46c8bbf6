"""docs/guide/permissions.md lists every permission, in the program's words, and what each shipped role gives."""

from __future__ import annotations

from pathlib import Path

from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.teammates.roles import shipped_roles

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "permissions.md"


def expected() -> list[str]:
    """The rows of both tables as they should be, in the order of the declarations."""
    grantable = [permission for permission in Permission if permission in GRANTABLE]
    rows = [f"| `{each.value}` | {each.title} | {each.without} |" for each in grantable]
    for role in shipped_roles().values():
        given = "everything" if role.permissions == GRANTABLE else _names(role.permissions)
        if len(role.permissions) > len(GRANTABLE) / 2 and role.permissions != GRANTABLE:
            given = f"everything but {_names(GRANTABLE - role.permissions)}"
        rows.append(f"| `{role.id}` | {role.title} | {role.about} | {given} |")
    return rows


def _names(permissions: frozenset[Permission]) -> str:
    return ", ".join(f"`{each.value}`" for each in Permission if each in permissions)


def test_the_page_says_what_the_program_does():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == expected(), "docs/guide/permissions.md should hold these rows:\n" + "\n".join(expected())
