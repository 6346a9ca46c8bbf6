"""Driving a real Chromium against the running program, and noticing whatever a page does that it should not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import ssl
import struct
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 15_000
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium: the one that is installed, or Playwright's own download."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    arguments = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=arguments)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What pages did that none should: errors, blocked or foreign loads, a policy that was violated."""

    origin: str
    problems: list[str] = field(default_factory=list)

    def over(self, page: Page) -> Page:
        page.set_default_timeout(PATIENCE)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("request", self._asked)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.location.get('url')}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "about:")):
            self.problems.append(f"left for {request.url}")


@dataclass
class Teammate:
    """A signed-in teammate: their way in, and pages that are being watched."""

    browser: Browser
    url: str
    state: Any
    email: str
    password: str
    recovery_codes: list[str]
    watch: Watch
    seed: str = ""

    @contextmanager
    def page(self, *, signed_in: bool = True, **options: Any) -> Iterator[Page]:
        context = self.context(signed_in=signed_in, **options)
        try:
            yield self.watch.over(context.new_page())
        finally:
            context.close()

    def context(self, *, signed_in: bool = True, **options: Any) -> BrowserContext:
        if signed_in:
            self._take_new_key()
        return self.browser.new_context(
            base_url=self.url, ignore_https_errors=True, storage_state=self.state if signed_in else None,
            viewport=options.pop("viewport", DESKTOP), locale="en-GB", **options,
        )  # fmt: skip

    def _take_new_key(self) -> None:
        """A change of factors or permissions, made elsewhere, changes this session's key with its next request."""
        context = self.browser.new_context(base_url=self.url, ignore_https_errors=True, storage_state=self.state)
        context.request.get("/account/sessions")
        self.state = context.storage_state()
        context.close()


def enrol(browser: Browser, url: str, link: str, password: str, *, lands_on: str = "Overview") -> Teammate:
    """Goes through enrolment as the owner would: a password, an authenticator, recovery codes."""
    watch = Watch(url)
    context = browser.new_context(base_url=url, ignore_https_errors=True, viewport=DESKTOP, locale="en-GB")
    page = watch.over(context.new_page())
    page.goto(link)
    email = page.locator("input[autocomplete=username]").get_attribute("value") or ""
    for field_ in page.locator("input[type=password]").all():
        field_.fill(password)
    page.get_by_role("button", name="Continue").click()
    seed = page.locator("#seed").inner_text()
    page.locator("input[name=code]").fill(totp(seed))
    page.get_by_role("button", name="Confirm").click()
    codes = page.locator("#codes").inner_text().split()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("heading", name=lands_on, exact=True).wait_for()
    state = context.storage_state()
    context.close()
    return Teammate(browser, url, state, email, password, codes, watch, seed)


def totp(seed: str, at: float | None = None) -> str:
    """What an authenticator app shows for `seed` (RFC 6238: SHA-1, 30 seconds, 6 digits)."""
    secret = seed.replace(" ", "").upper()
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = int((time.time() if at is None else at) // 30)
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def tell(url: str, trust: ssl.SSLContext, write_key: str, call: str, body: dict[str, Any]) -> int:
    """Sends people or events over the HTTP API, as a website would."""
    credentials = base64.b64encode(f"{write_key}:".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/{call}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, context=trust, timeout=10) as answer:
        return int(answer.status)
