"""Which routes ask for a factor again: whatever could do lasting harm. A new one is held to it when it is declared."""

from __future__ import annotations

from misentinel.site import urls
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.gate import Edge

LASTING = {Permission.TEAMMATES, Permission.APPS_AND_API, Permission.SECURITY_SETTINGS, Permission.EXPORT}
TAKES_AWAY_OR_TRIES = {
    "operator_access:decline", "operator_access:end", "session:revoke", "sso:begin",
}  # fmt: skip


def test_whatever_could_do_lasting_harm_asks_for_a_factor_again() -> None:
    """Keys, roles, permissions, single sign-on, the operator's access; every export, even if it only looks; erasure."""
    console = [declaration for declaration in urls.DECLARATIONS if declaration.edge is Edge.CONSOLE]
    harmful = [
        d for d in console
        if (d.needs in LASTING and d.method != "GET") or d.needs is Permission.EXPORT
        or d.tag.value.endswith((":export", ":erase"))
        or d.tag is Tag.ATTRIBUTE_DECLARE  # what is not personal any more rests in clear where rules look
    ]  # fmt: skip
    assert len(harmful) > 30
    without = {(d.method, d.path, d.tag.value) for d in harmful if not d.fresh}
    assert {tag for _, _, tag in without} <= TAKES_AWAY_OR_TRIES, without
