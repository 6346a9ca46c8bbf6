"""One's own account in a real browser: a fresh proof on the way, sessions, notices."""

from __future__ import annotations

import time

import psycopg
from playwright.sync_api import expect

from tests.e2e.browser import PHONE, totp


def test_a_form_goes_on_after_the_second_factor_was_shown_again(asha, live) -> None:
    with psycopg.connect(live.environment["MISENTINEL_CONTROL_URL"]) as control:
        control.execute("UPDATE teammates_sessionrecord SET proved_at = proved_at - interval '6 minutes'")
    with asha.page(viewport=PHONE) as page:
        page.goto("/settings/keys")
        page.locator("input[name=name]").fill("Shop, “production”")
        before = page.context.cookies()
        page.get_by_role("button", name="Make the key").click()
        page.get_by_role("heading", name="Confirm it is you").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.locator("input[name=step-up-code]").fill("000000")
        page.get_by_role("button", name="Confirm and go on").click()
        expect(page.get_by_role("alert")).to_contain_text("not right")
        page.locator("input[name=step-up-code]").fill(totp(asha.seed, time.time() + 30))
        page.get_by_role("button", name="Confirm and go on").click()
        expect(page.locator("main")).to_contain_text("Shop, “production”")
        keys = [{c["name"]: c["value"] for c in jar}["__Host-session"] for jar in (before, page.context.cookies())]
        assert keys[0] != keys[1]
        asha.state = page.context.storage_state()
    refused = [problem for problem in asha.watch.problems if "403" in problem]
    assert len(refused) == 2  # the browser tells of the two pages that asked
    asha.watch.problems[:] = [problem for problem in asha.watch.problems if problem not in refused]


def test_the_pages_of_ones_own_account_fit_a_telephone(asha) -> None:
    with asha.page(viewport=PHONE) as page:
        for path in ("/account/sessions", "/account/profile", "/account/notices", "/settings/security"):
            page.goto(path)
            page.get_by_role("heading", level=1).wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
