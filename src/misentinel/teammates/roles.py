"""The roles that come with MiSentinel, read from `roles.yaml` beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from misentinel.kernel.errors import Misconfigured
from misentinel.teammates.contracts import GRANTABLE, Permission, RoleView

OWNER = "owner"
_FILE = Path(__file__).with_name("roles.yaml")


@cache
def shipped_roles() -> dict[str, RoleView]:
    """Returns the shipped roles by key, in the file's order. Raises `Misconfigured` if one leaves something open."""
    return parse(yaml.safe_load(_FILE.read_text()))


def parse(document: Any) -> dict[str, RoleView]:
    """Reads roles. Every grantable permission must stand in each with true or false: silence is not a decision."""
    return {key: _role(key, told) for key, told in document.items()}


def _role(key: str, told: dict[str, Any]) -> RoleView:
    said: dict[str, bool] = told["permissions"]
    missing, unknown = GRANTABLE - said.keys(), said.keys() - GRANTABLE
    if missing or unknown:
        raise Misconfigured(
            f"The role {key} in roles.yaml must name each grantable permission once: "
            f"missing {sorted(missing)}, unknown {sorted(unknown)}."
        )
    if any(value is not True and value is not False for value in said.values()):
        raise Misconfigured(f"The role {key} in roles.yaml must say true or false for each permission.")
    given = frozenset(Permission(name) for name, value in said.items() if value)
    return RoleView(id=key, title=told["title"], about=told["about"], permissions=given, shipped=True)
