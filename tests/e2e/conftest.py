"""One Chromium and one enrolled owner for all that drives the console."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import Teammate, chromium, enrol
from tests.live import Live

PASSWORD = "correct horse battery staple 42"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Playwright keeps an event loop in this thread for as long as it runs, and Django would refuse its database to
    every later test because of it; ours are not asynchronous, so it is told not to.
    """
    with pytest.MonkeyPatch.context() as patch, chromium() as found:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield found


@pytest.fixture(scope="session")
def owner(browser: Browser, live: Live) -> Teammate:
    """The owner of the demo customer, enrolled through the pages."""
    return enrol(browser, live.url, live.enrolment_link, PASSWORD)


@pytest.fixture
def asha(owner: Teammate) -> Iterator[Teammate]:
    """The owner; the test fails if any page did what none should."""
    owner.watch.problems.clear()
    yield owner
    assert owner.watch.problems == []
