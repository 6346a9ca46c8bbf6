#!/usr/bin/env python3
"""Makes the pictures in docs/screenshots from a running program with obviously invented data.

It starts the program with a home, databases and ports of its own, enrols the demo's owner in a real Chromium, sends
people and events over the HTTP API, writes and sends messages as a teammate would, takes the pictures and stops it all.

Usage: scripts/screenshots.py [FOLDER]
"""

from __future__ import annotations

import os
import random
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from playwright.sync_api import Page  # noqa: E402

from tests.e2e.browser import DESKTOP, PHONE, Teammate, chromium, enrol, tell  # noqa: E402
from tests.live import free_ports, read_told, start_program, stop_program, without_settings  # noqa: E402

OUTPUT = ROOT / "docs" / "screenshots"
PASSWORD = "an invented pass phrase for pictures"  # noqa: S105
PEOPLE = (
    "Amara Quill", "Bruno Fennick", "Cleo Marchbanks", "Dara Whitlow", "Eskil Thornby", "Fenna Oakes", "Gil Patterby",
    "Hana Brightwell", "Idris Calloway", "Juno Pettigrew", "Kit Lavender", "Lowri Hargreave", "Milo Starling",
    "Nell Summerby",
)  # fmt: skip
PLANS, CITIES = ("city", "touring", "workshop"), ("Leeds", "Bristol", "Cardiff", "Glasgow", "Norwich")
TEXT = """Hello {{ firstName | default: "there" }},

the hills are dry and your {{ plan | default: "bicycle" }} plan covers a free spring service.

Bring it to the workshop in {{ city | default: "town" }} before the end of April, and we will check brakes, gears and
bearings while you have a cup of tea.

See you on the road,
Acme Bicycles
"""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT
    folder.mkdir(parents=True, exist_ok=True)
    with running() as told, chromium() as browser:
        trust = ssl.create_default_context(cafile=told["authority"])
        asha = enrol(browser, told["url"], told["enrolment_link"], PASSWORD)
        picture(asha, folder, "getting-started", "/")
        send_people(told, trust)
        with asha.page() as page:
            person = work(page)
        take(asha, folder, person)
    sys.stdout.write(f"{len(list(folder.glob('*.png')))} pictures in {folder}\n")


@contextmanager
def running() -> Iterator[dict[str, Any]]:
    """The program with everything of its own, and what it told when it was ready."""
    https_port, http_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="ms-pictures-", ignore_cleanup_errors=True) as folder:
        environment = {
            **without_settings(os.environ), "MISENTINEL_HOME": f"{folder}/home", "MISENTINEL_WEB_PROCESSES": "1",
            "MISENTINEL_HTTPS_PORT": str(https_port), "MISENTINEL_HTTP_PORT": str(http_port),
        }  # fmt: skip
        process = start_program(environment)
        try:
            yield read_told(process)
        finally:
            stop_program(process)


def send_people(told: dict[str, Any], trust: ssl.SSLContext) -> None:
    """People and what they did in the last weeks, the same every time."""
    chance = random.Random(7)  # noqa: S311  pictures need no secrets
    batch: list[dict[str, Any]] = []
    for number, name in enumerate(PEOPLE):
        first, last = name.split()
        user = {"userId": f"rider-{1001 + number}"}
        joined = datetime.now(UTC) - timedelta(days=60 - 3 * number, hours=number)
        traits = {
            "firstName": first, "lastName": last, "email": f"{first}.{last}@example.com".lower(),
            "plan": PLANS[number % 3], "city": CITIES[number % 5], "bicycles": 1 + number % 3,
        }  # fmt: skip
        batch.append({**user, "type": "identify", "timestamp": joined.isoformat(), "traits": traits})
        batch.append({**user, "type": "track", "event": "Signed Up", "timestamp": joined.isoformat()})
        for _ in range(2 + number % 4):
            at = datetime.now(UTC) - timedelta(hours=chance.uniform(1, 400))
            total = round(chance.uniform(12, 180), 2)
            order = {"orderId": f"order-{chance.randrange(10_000, 99_999)}", "total": total, "currency": "GBP"}
            event = {"type": "track", "event": "Order Completed", "properties": order}
            batch.append({**user, **event, "timestamp": at.isoformat()})
    tell(told["url"], trust, told["write_key"], "batch", {"batch": batch})


def work(page: Page) -> str:
    """What a teammate does before the pictures. Returns the address of somebody's profile."""
    page.goto("/segments/new")
    page.get_by_label("Name").fill("Touring riders")
    page.get_by_label("Attribute", exact=True).fill("plan")
    page.get_by_label("Value").fill("touring")
    page.get_by_role("button", name="Event rule").click()
    page.get_by_label("Event", exact=True).fill("Order Completed")
    page.get_by_label("In the last days", exact=True).fill("30")
    page.get_by_role("button", name="Save segment").click()
    page.goto("/messages/manual/new")
    page.get_by_label("Name").fill("Spring service")
    page.get_by_label("To").select_option(label="Touring riders")
    page.get_by_label("Subject").fill('{{ firstName | default: "Hello" }}, your bicycle is ready for spring')
    page.get_by_label("Message", exact=True).fill(TEXT)
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="Send…").click()
    page.get_by_role("button", name="Send to").click()
    page.goto("/messages/auto/new")
    page.get_by_label("Name").fill("Welcome")
    page.get_by_label("When this event happens").fill("Signed Up")
    page.get_by_label("Wait").fill("1")
    page.get_by_label("Unit").select_option(label="hours")
    page.get_by_label("Subject").fill("Welcome to Acme")
    page.get_by_label("Message", exact=True).fill('Hello {{ firstName | default: "there" }}, good to have you.')
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("button", name="Set live").click()
    page.get_by_role("button", name="Start sending").click()
    for _ in range(50):
        page.goto("/mailbox")
        if page.locator("tbody tr").count():
            break
        page.wait_for_timeout(300)
    page.goto("/teammates/invite")
    page.get_by_label("E-mail address").fill("ben@example.com")
    page.get_by_label("Name").fill("Ben")
    page.locator("input[value=user-data]").check()
    page.get_by_role("button", name="Make the link").click()
    page.goto("/people")
    page.get_by_label("Search people").fill("bruno")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Clear").wait_for()
    person = page.locator("a.person-link").first.get_attribute("href") or "/people"
    page.goto(person)
    return person


def take(asha: Teammate, folder: Path, person: str) -> None:
    with asha.page() as page:
        page.goto("/messages")
        message = page.get_by_role("link", name="Spring service").get_attribute("href") or ""
        page.goto("/segments")
        segment = page.get_by_role("link", name="Touring riders").get_attribute("href") or ""
        page.goto("/mailbox")
        mail = page.locator("tbody a").first.get_attribute("href") or ""
        page.goto("/trail?tag=message:send")
        entry = page.get_by_role("link", name="Details").first.get_attribute("href") or ""
    shown = {
        "overview": "/", "people": "/people", "person": person, "segment": segment, "message-report": message,
        "mailbox": mail, "trail": "/trail", "trail-entry": entry, "teammates": "/teammates", "settings": "/settings",
        "message-editor": "/messages/auto/new",
    }  # fmt: skip
    for name, path in shown.items():
        picture(asha, folder, name, path)
    for name in ("overview", "person", "message-report"):
        picture(asha, folder, f"{name}-dark", shown[name], color_scheme="dark")
        picture(asha, folder, f"{name}-phone", shown[name], viewport=PHONE)


def picture(asha: Teammate, folder: Path, name: str, path: str, **options: Any) -> None:
    """One picture of what fits the window."""
    with asha.page(**{"viewport": {**DESKTOP, "height": 900}, **options}) as page:
        page.goto(path)
        if name == "message-editor":
            fill_editor(page)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(400)
        page.screenshot(path=folder / f"{name}.png")


def fill_editor(page: Page) -> None:
    page.get_by_label("Name").fill("After the first order")
    page.get_by_label("When this event happens").fill("Order Completed")
    page.get_by_label("Wait").fill("2")
    page.get_by_label("Unit").select_option(label="days")
    page.get_by_label("Subject").fill('How is it riding, {{ firstName | default: "friend" }}?')
    page.get_by_label("Message", exact=True).fill(TEXT)
    page.wait_for_timeout(1200)


if __name__ == "__main__":
    main()
