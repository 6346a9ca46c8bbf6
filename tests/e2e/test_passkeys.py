"""Passkeys in a real Chromium with its virtual authenticator: made, used as the only sign-in, refused, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.e2e.browser import PHONE

pytestmark = pytest.mark.browser


class Authenticator:
    """The virtual device of one page: a platform authenticator that can verify its user."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True,
            "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = made["authenticatorId"]

    def send(self, what: str, **told: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._session.send(f"WebAuthn.{what}", {"authenticatorId": self._id, **told})
        return found

    def passkeys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.send("getCredentials")["credentials"]
        return found


@contextmanager
def device(page: Page) -> Iterator[Authenticator]:
    found = Authenticator(page)
    yield found
    found.send("removeVirtualAuthenticator")


def make(page: Page, name: str) -> None:
    page.goto("/account/factors")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("status").first).to_contain_text("The passkey was added")


def remove(page: Page, name: str) -> None:
    page.goto("/account/factors")
    page.get_by_role("button", name=f"Remove {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_role("status").first).to_contain_text("removed")


def sign_out(page: Page) -> None:
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def sign_in(page: Page) -> None:
    page.goto("/sign-in?next=/account/factors")
    page.get_by_role("button", name="Sign in with a passkey").click()


@pytest.fixture
def page(asha) -> Iterator[Page]:
    """Asha in a session of her own, so that signing out ends nobody else's."""
    with asha.page(signed_in=False) as page:
        page.goto("/sign-in")
        page.get_by_label("E-mail address").fill(asha.email)
        page.get_by_label("Password").fill(asha.password)
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Code").fill(asha.recovery_codes.pop())
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Overview").wait_for()
        yield page
    refused = "/sign-in/passkey: Failed to load resource: the server responded with a status of 422"
    asha.watch.problems[:] = [told for told in asha.watch.problems if refused not in told]


def test_a_passkey_is_made_and_signs_in_alone_and_is_removed(page: Page) -> None:
    with device(page) as authenticator:
        make(page, "Virtual laptop")
        (made,) = authenticator.passkeys()
        assert made["isResidentCredential"]
        sign_out(page)
        sign_in(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign-in and factors")
        assert authenticator.passkeys()[0]["signCount"] > made["signCount"]

        page.get_by_label("Name of the passkey Virtual laptop").fill("Renamed")
        page.get_by_role("button", name="Rename Virtual laptop").click()
        remove(page, "Renamed")
        sign_out(page)
        sign_in(page)
        expect(page.get_by_role("alert")).to_contain_text("not accepted")


def test_whoever_is_not_verified_by_the_device_is_told_and_stays_out(asha, page: Page) -> None:
    with device(page) as authenticator:
        make(page, "Unsure")
        sign_out(page)
        authenticator.send("setUserVerified", isUserVerified=False)
        sign_in(page)
        expect(page.locator("[data-passkey-said]")).to_contain_text("Nothing was chosen")
        authenticator.send("setUserVerified", isUserVerified=True)
        sign_in(page)
        page.get_by_role("heading", name="Sign-in and factors").wait_for()
        remove(page, "Unsure")


def test_a_copied_passkey_is_noticed_by_its_counter(page: Page) -> None:
    with device(page) as authenticator:
        make(page, "Copied")
        (original,) = authenticator.passkeys()
        sign_out(page)
        sign_in(page)
        page.get_by_role("heading", name="Sign-in and factors").wait_for()
        sign_out(page)
        authenticator.send("removeCredential", credentialId=original["credentialId"])
        authenticator.send("addCredential", credential={**original, "signCount": 0})
        sign_in(page)
        expect(page.get_by_role("alert")).to_contain_text("not accepted")


def test_a_browser_without_passkeys_says_what_else_there_is(asha) -> None:
    with asha.page(signed_in=False, viewport=PHONE) as page:
        page.add_init_script("delete window.PublicKeyCredential")
        page.goto("/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.locator("[data-passkey-said]")).to_contain_text("This browser has no passkeys")
