"""The content security policy and Trusted Types in a real Chromium: what an attacker tries is refused and reported."""

from __future__ import annotations

import time

import pytest

from misentinel.web.headers import UNUSED_FEATURES, USED_FEATURES
from tests.e2e.test_console import PAGES

pytestmark = pytest.mark.browser

# Every way that turns a text into markup or script (Trusted Types, 4: the injection sinks).
SINKS = """() => {
    const element = (name) => document.createElement(name);
    const attempts = {
        innerHTML: () => { element("div").innerHTML = "<img src=x>"; },
        outerHTML: () => { document.querySelector("#main").outerHTML = "<b>x</b>"; },
        insertAdjacentHTML: () => document.body.insertAdjacentHTML("beforeend", "<img src=x>"),
        setHTMLUnsafe: () => element("div").setHTMLUnsafe("<b>x</b>"),
        "document.write": () => document.write("<b>x</b>"),
        DOMParser: () => new DOMParser().parseFromString("<b>x</b>", "text/html"),
        parseHTMLUnsafe: () => Document.parseHTMLUnsafe("<b>x</b>"),
        createContextualFragment: () => document.createRange().createContextualFragment("<b>x</b>"),
        srcdoc: () => { element("iframe").srcdoc = "<b>x</b>"; },
        "script.src": () => { element("script").src = "/static/console/console.js"; },
        "script.text": () => { element("script").text = "1"; },
        "setTimeout": () => { setTimeout("1"); },
        "a policy of its own": () => trustedTypes.createPolicy("other", { createHTML: (text) => text }),
        "a second default": () => trustedTypes.createPolicy("default", { createHTML: (text) => text }),
    };
    return Object.keys(attempts).filter((name) => {
        try { attempts[name](); return true; } catch (error) { return error.name !== "TypeError"; }
    });
}"""
# What a hole in a page would let somebody write into it; the DOM is changed without a guarded sink.
PLANTED = """() => {
    const script = document.createElement("script");
    script.append("window.taken = 'inline'");
    const image = document.createElement("img");
    image.setAttribute("src", "https://evil.test/pixel.gif");
    document.body.append(script, image);
}"""


def test_no_text_becomes_markup_or_script_but_what_our_server_answered_to_htmx(owner):
    owner.watch.problems.clear()
    with owner.page() as page:
        page.goto("/segments/new")
        page.get_by_role("button", name="Event rule").click()
        page.locator("[data-row]").nth(1).wait_for()  # htmx put a part of the page into it
        assert owner.watch.problems == []
        assert page.evaluate(SINKS) == []
        assert page.locator("#main").count() == 1


def test_what_an_answer_held_once_is_not_accepted_from_anybody_else(owner):
    """A script that replays the text of a real answer is refused like any."""
    with owner.page() as page:
        page.goto("/segments/new")
        with page.expect_response(lambda answer: "event" in answer.url) as answer:
            page.get_by_role("button", name="Event rule").click()
        page.locator("[data-row]").nth(1).wait_for()
        replayed = page.evaluate(
            "text => { try { Document.parseHTMLUnsafe(text); return 'parsed'; } catch (error) { return error.name; } }",
            answer.value.text(),
        )
        assert replayed == "TypeError"


def test_a_planted_script_and_a_foreign_image_are_stopped_and_reported(owner, live):
    with owner.page() as page, page.expect_event("console", lambda said: "violates" in said.text):
        page.goto("/people")
        page.evaluate(PLANTED)
        assert page.evaluate("window.taken") is None
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if '"route": "policy-reports"' in (live.home / "log" / "access.log").read_text():
            return
        time.sleep(0.2)
    raise AssertionError("the browser reported nothing")


def test_the_platforms_features_are_off_on_a_page_but_the_three_in_use(asha):
    with asha.page() as page:
        page.goto("/")
        allowed = set(page.evaluate("document.featurePolicy.allowedFeatures()"))
        known = set(page.evaluate("document.featurePolicy.features()"))
    assert allowed & set(UNUSED_FEATURES) == set()
    assert set(USED_FEATURES) & known <= allowed


def test_every_cookie_is_bound_to_the_host_and_out_of_reach_of_scripts(owner):
    with owner.page() as page:
        for url in PAGES:
            page.goto(url)
        assert page.evaluate("document.cookie") == ""
        cookies = page.context.cookies()
    assert {cookie["name"] for cookie in cookies} == {"__Host-session", "__Host-csrf", "__Host-device"}
    for cookie in cookies:
        assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/", cookie
        assert not cookie["domain"].startswith("."), cookie
