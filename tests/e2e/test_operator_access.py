"""The operator's staff and their customer in two browsers: asked, given, seen while it lasts, ended by one click."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import PHONE, Teammate, enrol, tell
from tests.live import Live

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple 42"
REASON = "Ticket 4711: imports fail since Monday"
LIVELY = 12_000  # the banner asks every four seconds


@pytest.fixture(autouse=True)
def ada(live: Live) -> None:
    traits = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron"}
    tell(live.url, live.trusting(), live.write_key, "identify", {"userId": "u-1001", "traits": traits})


@pytest.fixture(scope="module")
def staff(browser: Browser, live: Live) -> Callable[[str], Teammate]:
    """Somebody of the operator's staff, invited at the command line and enrolled through the pages."""

    def join(name: str) -> Teammate:
        told = live.run("operator", "invite", f"{name.lower()}@example.com", "--name", name)
        link = re.search(r"https://\S+/enrol/\S+", told.stdout)
        assert link, told.stderr
        return enrol(browser, live.url, link[0], PASSWORD, lands_on="Customers")

    return join


@pytest.fixture(scope="module")
def olga(staff: Callable[[str], Teammate]) -> Iterator[Teammate]:
    one = staff("Olga")
    yield one
    assert one.watch.problems == []


def test_a_customer_lets_one_in_sees_them_live_on_every_page_and_ends_it_with_one_click(asha, olga):
    with asha.page(signed_in=False) as customer, olga.page() as operator:
        customer.goto("/messages")  # signed in anew: giving access takes a proof that is fresh
        customer.get_by_label("E-mail address").fill(asha.email)
        customer.get_by_label("Password").fill(asha.password)
        customer.get_by_role("button", name="Continue").click()
        customer.locator("input[name=code]").fill(asha.recovery_codes[1])
        customer.get_by_role("button", name="Sign in").click()
        expect(customer.get_by_role("heading", level=1)).to_have_text("Messages")
        operator.goto("/")
        operator.get_by_role("link", name="Acme").click()
        operator.get_by_label("Reason").fill(REASON)
        operator.get_by_label("User data").check()
        operator.get_by_role("button", name="Ask Acme").click()
        expect(operator.get_by_text("Waits for the customer")).to_be_visible()

        question = customer.get_by_role("region", name="The operator's staff")
        asks = f"Olga of the operator's staff asks to be let in, because: {REASON}"
        expect(question).to_contain_text(asks, timeout=LIVELY)
        question.get_by_role("link", name="Answer").click()
        customer.get_by_role("button", name="Let Olga in").click()
        expect(customer.get_by_role("status").first).to_contain_text("Access given")
        customer.goto("/people")

        operator.reload()
        operator.get_by_role("button", name="Enter Acme").click()
        operator.get_by_role("link", name="People", exact=True).click()
        expect(operator.get_by_text("You are inside Acme until")).to_be_visible()
        expect(operator.get_by_role("link", name=re.compile("Ada Byron"))).to_be_visible()

        banner = customer.locator(".presence-inside")
        looks = re.compile(r"Olga of the operator's staff is looking at your data until \d\d:\d\d")
        expect(banner).to_contain_text(looks, timeout=LIVELY)
        assert customer.url.endswith("/people")
        banner.get_by_role("button", name="End now").click()
        expect(customer.get_by_text("Ended. From their next request on")).to_be_visible()
        expect(customer.locator(".presence-band")).to_have_count(0)
        expect(operator.get_by_role("heading", level=1)).to_have_text("Customers", timeout=LIVELY)
        expect(operator.get_by_text("Ada Byron")).to_have_count(0)

        olga.state = operator.context.storage_state()  # entering gave her another cookie
        customer.get_by_role("link", name="What they did").first.click()
        for tag in ("operator_access:ask", "operator_access:give", "operator_access:enter", "person:list"):
            expect(customer.locator("tbody").get_by_text(tag, exact=True).first).to_be_visible()


def test_an_emergency_needs_a_second_operator_and_stands_in_red_on_the_customers_pages(asha, olga, staff):
    otto = staff("Otto")
    with asha.page() as customer, olga.page() as first, otto.page() as second:
        customer.goto("/")
        first.goto("/operator")
        first.get_by_role("link", name="Acme").first.click()
        first.get_by_label("What happened").fill("Mail loops and nobody answers")
        first.get_by_role("button", name="Ask for emergency access").click()
        expect(first.get_by_text("Waits for another operator")).to_be_visible()
        expect(first.get_by_role("button", name="Confirm the emergency…")).to_have_count(0)
        second.goto("/operator")
        second.get_by_role("button", name="Confirm the emergency…").click()
        second.get_by_role("button", name="Confirm", exact=True).click()
        red = customer.locator(".presence-emergency")
        expect(red).to_contain_text("Emergency access. Olga of the operator's staff can look", timeout=LIVELY)
        assert red.evaluate("band => getComputedStyle(band).backgroundColor") == "rgb(179, 23, 31)"
        red.get_by_role("button", name="End now").click()
        expect(red).to_have_count(0)


def test_the_pages_fit_a_phone(asha, olga):
    for who, paths in ((asha, ["/settings/operator-access"]), (olga, ["/operator"])):
        with who.page(viewport=PHONE) as page:
            for path in paths:
                page.goto(path)
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= PHONE["width"], f"{path} is {width} px wide"
