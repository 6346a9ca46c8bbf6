"""The console in a real Chromium: the whole story, the keyboard alone, a phone, light and dark."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from misentinel.web.console.tests.test_assets import violations
from tests.e2e.browser import PHONE, tell

pytestmark = pytest.mark.browser

PAGES = (
    "/", "/people", "/segments", "/segments/new", "/messages", "/messages?kind=auto", "/messages/manual/new",
    "/messages/auto/new", "/mailbox", "/trail", "/trail/readers", "/trail/verify", "/teammates", "/teammates/invite",
    "/settings", "/settings/keys", "/account/sessions", "/account/factors", "/account/factors/passkey",
    "/account/factors/authenticator",
)  # fmt: skip
ATTACK = (
    "<p id=here>Hello</p><script>parent.document.title='taken'</script>"
    "<img src=x onerror=\"top.location='/trail'\"><form action=/sign-out method=post></form>"
)
ADA = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "plan": "pro"}


@pytest.fixture(autouse=True)
def ada(live):
    tell(live.url, live.trusting(), live.write_key, "identify", {"userId": "u-1001", "traits": ADA})
    bought = {"userId": "u-1001", "event": "Order Completed", "properties": {"total": 42}, "messageId": "order-1"}
    tell(live.url, live.trusting(), live.write_key, "track", bought)


def arrived(page: Page, url: str, subject: str) -> None:
    """Waits until the worker has put the message into the mailbox."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        page.goto(url)
        if page.get_by_role("link", name=subject).count():
            return
        page.wait_for_timeout(300)
    raise AssertionError(f"{subject!r} did not arrive")


def test_a_person_is_found_written_to_and_unsubscribes_and_all_of_it_is_on_the_trail(asha):
    with asha.page() as page:
        page.goto("/people")
        page.get_by_label("Search people").fill("ada@example.com")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name=re.compile("Ada Byron")).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Ada Byron")
        expect(page.get_by_text("Order Completed")).to_be_visible()

        page.goto("/segments/new")
        page.get_by_label("Name").fill("Pro customers")
        page.get_by_label("Attribute", exact=True).fill("plan")
        page.get_by_label("Value").fill("pro")
        page.get_by_role("button", name="Event rule").click()
        page.get_by_label("Event", exact=True).fill("Order Completed")
        expect(page.locator("#audience")).to_contain_text("1")
        expect(page.locator("#audience")).to_contain_text("Ada Byron")
        page.get_by_role("button", name="Save segment").click()
        expect(page.get_by_role("status")).to_contain_text("Pro customers")

        page.goto("/messages/manual/new")
        page.get_by_label("Name").fill("Thank you")
        page.get_by_label("To", exact=True).select_option(label="Pro customers")
        page.get_by_label("Subject").fill('Thank you, {{ firstName | default: "friend" }}')
        page.get_by_label("Message", exact=True).fill('Hello {{ firstName | default: "there" }}, enjoy the ride.')
        page.get_by_label("as", exact=True).select_option(label="Ada Byron")
        shown = page.frame_locator("[data-preview-frame]:visible")
        expect(shown.locator("body")).to_contain_text("Subject: Thank you, Ada")
        expect(shown.locator("body")).to_contain_text("Hello Ada, enjoy the ride.")
        page.get_by_role("button", name="Save draft").click()
        page.get_by_role("link", name="Send…").click()
        page.get_by_role("button", name="Send to 1 person").click()
        expect(page.get_by_role("status")).to_contain_text("On its way to 1 person")

        arrived(page, "/mailbox", "Thank you, Ada")
        page.get_by_role("link", name="Thank you, Ada").click()
        expect(page.frame_locator("iframe.mail-frame").locator("body")).to_contain_text("Hello Ada")

        page.get_by_role("link", name="The person's unsubscribe page").click()
        page.get_by_role("button", name="Unsubscribe").click()
        expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
        page.goto("/people")
        page.get_by_label("Search people").fill("ada@example.com")
        page.keyboard.press("Enter")
        page.get_by_role("link", name=re.compile("Ada Byron")).click()
        expect(page.get_by_text("Unsubscribed", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Thank you")).to_be_visible()

        told = page.locator("main")
        for tag in ("person:view", "segment:create", "message:create", "message:send", "unsubscribe:confirm"):
            page.goto(f"/trail?tag={tag}")
            expect(told.locator("tbody tr").first).to_contain_text(tag)


def test_a_mistake_in_a_template_is_told_with_its_line_and_nothing_is_lost(asha):
    with asha.page() as page:
        page.goto("/messages/manual/new")
        page.get_by_label("Name").fill("Broken")
        page.get_by_label("Subject").fill("Hello")
        page.get_by_label("Message", exact=True).fill("Hello,\n{% if plan %}you are on {{ plan }}")
        page.get_by_role("button", name="Save draft").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was saved yet")
        expect(page.locator("#message-text-error")).to_contain_text(re.compile("[Ll]ine 2"))
        expect(page.get_by_label("Name")).to_have_value("Broken")
        asha.watch.problems[:] = [each for each in asha.watch.problems if "422" not in each]


def test_signing_out_closes_the_door_and_a_recovery_code_opens_it_once(asha):
    with asha.page(signed_in=False) as page:
        page.goto("/people")
        page.get_by_label("E-mail address").fill(asha.email)
        page.get_by_label("Password").fill(asha.password)
        page.get_by_role("button", name="Continue").click()
        page.locator("input[name=code]").fill(asha.recovery_codes[0])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("People")
        page.locator("summary", has_text=re.compile(".")).first.click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.go_back()
        page.goto("/people")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def focused(page: Page) -> str:
    return page.evaluate("(document.activeElement.ariaLabel || document.activeElement.innerText || '').trim()")


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"the Tab key never reached {name!r}")


def test_the_keyboard_alone_skips_navigates_opens_menus_and_fills_a_form(asha):
    with asha.page() as page:
        page.goto("/")
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.goto("/")
        tab_to(page, "Segments")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Segments")
        page.goto("/segments/new")
        page.get_by_label("Name").focus()
        page.keyboard.type("By keyboard")
        tab_to(page, "Attribute rule")
        page.keyboard.press("Enter")
        expect(page.locator("[data-row]")).to_have_count(2)
        expect(page.locator("[data-row] >> nth=1 >> input[name=row-name]")).to_be_focused()
        page.keyboard.type("plan")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("pro")
        tab_to(page, "Remove this rule")
        page.keyboard.press("Enter")
        expect(page.locator("[data-row]")).to_have_count(1)
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


def test_every_page_fits_a_phone_and_its_menu_opens(asha):
    with asha.page(viewport=PHONE) as page:
        for path in PAGES:
            page.goto(path)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], f"{path} is {width} px wide"
        menu = page.get_by_role("button", name="Menu")
        menu.click()
        page.get_by_role("link", name="People").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("People")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_one_is_chosen_and_then_stays(asha, scheme):
    other = "dark" if scheme == "light" else "light"
    with asha.page(color_scheme=scheme) as page:
        page.goto("/")
        html = page.locator("html")
        expect(html).to_have_attribute("data-bs-theme", scheme)
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("summary").first.click()
        page.get_by_role("button", name=other.capitalize(), exact=True).click()
        expect(html).to_have_attribute("data-bs-theme", other)
        page.goto("/people")
        expect(html).to_have_attribute("data-bs-theme", other)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_every_link_leads_somewhere_and_no_page_holds_what_the_policy_forbids(asha):
    context = asha.context()
    waiting, seen, sick = list(PAGES), set(), []
    while waiting and len(seen) < 150:
        path = waiting.pop()
        shape = re.sub(r"[0-9a-f-]{36}", "ID", path).partition("?")[0]
        if shape in seen or shape.startswith(("/static/", "/u/")):
            continue
        seen.add(shape)
        answer = context.request.get(path)
        html = answer.text()
        if answer.status != 200:
            sick.append(f"{path}: {answer.status}")
        if "sandbox" not in answer.headers.get("content-security-policy", ""):
            sick += [f"{path}: {found}" for found in violations(html)]
        waiting += [link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="(/[^"#]*)', html)]
    context.close()
    assert sick == []
    assert len(seen) > len(PAGES)


def test_what_was_written_into_a_message_cannot_run_where_it_is_shown(asha):
    with asha.page() as page:
        page.goto("/messages/manual/new")
        page.get_by_text("HTML version and sender").click()
        page.get_by_label("HTML version").fill(ATTACK)
        page.get_by_label("Subject").fill("Hello")
        expect(page.frame_locator("[data-preview-frame]:visible").locator("#here")).to_have_text("Hello")
        page.wait_for_timeout(300)
        assert "taken" not in page.title()
        assert page.url.endswith("/messages/manual/new")
    blocked = [each for each in asha.watch.problems if "lock" in each or "violates" in each]
    assert blocked, "the browser has stopped nothing"
    asha.watch.problems[:] = [each for each in asha.watch.problems if each not in blocked]
