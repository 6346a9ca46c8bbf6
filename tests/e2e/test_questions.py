"""Asking the trail in a real Chromium: table, picture, file, and a page that fits a telephone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import PHONE

pytestmark = pytest.mark.browser


def test_a_question_is_asked_drawn_and_taken_along(asha):
    with asha.page() as page:
        page.goto("/trail")
        page.get_by_role("link", name="Ask in SQL").click()
        page.get_by_role("link", name="What is done most").click()
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("heading", name="Answer")).to_be_visible()
        expect(page.get_by_role("img", name="times by tag")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").click()
        assert download.value.path().read_text().startswith("tag,times\n")
    with asha.page(viewport=PHONE) as page:
        page.goto("/trail/questions")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("img", name="times by tag")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
