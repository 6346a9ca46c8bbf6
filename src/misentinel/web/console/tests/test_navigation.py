"""The sidebar: whoever may open a page of settings finds the way to it, and nobody is shown one that refuses them."""

from __future__ import annotations

import re

import pytest

from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.web.console.navigation import menu
from tests.cast import hire, signed_in

P = Permission
EVERYONE = ["Overview", "Messages"]


@pytest.mark.parametrize(
    ("held", "labels"),
    [
        (set(), EVERYONE),
        ({P.SECURITY_SETTINGS}, [*EVERYONE, "Single sign-on", "Security", "Shipping the trail", "Operator access"]),
        ({P.APPS_AND_API}, [*EVERYONE, "API keys"]),
        ({P.APP_SETTINGS}, [*EVERYONE, "Settings"]),
        ({P.APP_SETTINGS, P.APPS_AND_API, P.SECURITY_SETTINGS}, [*EVERYONE, "Settings", "Operator access"]),
    ],
    ids=lambda one: "+".join(sorted(one)) or "none" if isinstance(one, set) else "",
)
def test_who_finds_what(held, labels) -> None:
    assert [item.label for item in menu("/", held)] == labels


def test_the_page_that_is_open_is_marked_and_no_other() -> None:
    def marked(path, held):
        return [item.label for item in menu(path, held) if item.current]

    assert marked("/settings/security", {P.SECURITY_SETTINGS}) == ["Security"]
    assert marked("/settings/single-sign-on/new/oidc", {P.SECURITY_SETTINGS}) == ["Single sign-on"]
    assert marked("/settings/security", GRANTABLE) == ["Settings"]


def test_an_overview_with_nothing_on_it_says_where_to_go(acme) -> None:
    page = signed_in(hire(acme.customer_id, "Ben", ())).get("/").content.decode()
    assert "Nothing to show you here" in page
    assert "Nothing to show you here" not in signed_in(hire(acme.customer_id, "Asha")).get("/").content.decode()


@pytest.mark.parametrize("permission", [None, *sorted(GRANTABLE)])
def test_every_link_that_a_page_offers_opens(acme, permission) -> None:
    """From the overview on, each page that a teammate with this one permission is led to lets them in."""
    client = signed_in(hire(acme.customer_id, "Ben", {permission} if permission else ()))
    seen, ahead = {"/sign-in"}, {"/"}
    while ahead:
        url = ahead.pop()
        seen.add(url)
        answer = client.get(url)
        assert answer.status_code not in {302, 401, 403}, url
        found = re.findall(r'href="(/[^"#?]*)', answer.content.decode())
        ahead |= {link for link in found if not link.startswith("/static/")} - seen
