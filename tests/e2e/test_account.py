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


def test_what_was_written_outlives_the_session(asha, live) -> None:
    """It ends while somebody writes; they sign in in another tab, come back, and send what they wrote."""
    with asha.page() as page:
        page.goto("/segments/new")
        page.get_by_label("Name").fill("Written over lunch")
        with psycopg.connect(live.environment["MISENTINEL_CONTROL_URL"]) as control:
            control.execute("UPDATE teammates_sessionrecord SET ended_at = now() WHERE ended_at IS NULL")
        told = page.get_by_role("alert").filter(has_text="You were signed out")
        told.wait_for()
        page.get_by_role("button", name="Save segment").click()
        expect(page.get_by_label("Name")).to_have_value("Written over lunch")
        with page.context.expect_page() as opened:
            told.get_by_role("link", name="Sign in").click()
        tab = opened.value
        tab.get_by_label("E-mail address").fill(asha.email)
        tab.get_by_label("Password").fill(asha.password)
        tab.get_by_role("button", name="Continue").click()
        tab.locator("input[name=code]").fill(asha.recovery_codes[2])
        tab.locator("input[name=code]").press("Enter")
        tab.get_by_role("heading", name="Overview").wait_for()
        tab.close()
        page.bring_to_front()
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        told.wait_for(state="hidden")
        page.get_by_label("Attribute", exact=True).fill("plan")
        page.get_by_label("Value").fill("touring")
        page.get_by_role("button", name="Save segment").click()
        expect(page.locator("main")).to_contain_text("Written over lunch")
        asha.state = page.context.storage_state()


def test_the_pages_of_ones_own_account_fit_a_telephone(asha) -> None:
    with asha.page(viewport=PHONE) as page:
        for path in ("/account/sessions", "/account/profile", "/account/notices", "/settings/security"):
            page.goto(path)
            page.get_by_role("heading", level=1).wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
