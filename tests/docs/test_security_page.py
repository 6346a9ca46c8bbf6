"""docs/security.md and the guide say what is so: figures, limits, fields."""

from __future__ import annotations

import re
from pathlib import Path

from misentinel.events.rules import protocol
from misentinel.messages.rules import templates
from misentinel.site.serving import tls, worker
from misentinel.teammates import rules, throttle
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries import limits
from tests.cast import browser, hire, signed_in

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
SENDING = (ROOT / "docs" / "guide" / "sending-data.md").read_text()
CONSOLE = ROOT / "src" / "misentinel" / "web" / "console"


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_what_the_page_says_of_surroundings_is_so():
    told = section("What of a request's surroundings counts")
    for said in (
        f"in {throttle.WINDOW.seconds // 60} minutes for one account, {throttle._PER_ADDRESS} times that",
        f"within {throttle._FAMILIAR.days} days",
        f"after {limits.IDLE_LIMIT.seconds // 3600} hours without one, or {limits.ABSOLUTE_LIMIT.days} days",
        f"older than {rules.PROOF_LASTS.seconds // 60} minutes",
        "any number of sessions at once",
    ):
        assert said in told, said


def test_what_the_page_says_of_sessions_is_so(acme):
    """Any number at once, each of them listed."""
    from misentinel.teammates.queries import list_sessions

    zoe = hire(acme.customer_id, "Zoe", [])
    browsers = [signed_in(zoe) for _ in range(12)]
    assert all(client.get("/account/sessions").status_code == 200 for client in (browsers[0], browsers[-1]))
    assert len(list_sessions(zoe.id)) == 12


def test_what_the_page_says_of_costly_work_is_so():
    told = section("What is costly, and what bounds it")
    for said in (
        f"{protocol.BATCH_LIMIT // 1024} KB and {protocol.MOST_ITEMS} items a request",
        f"{templates.SOURCE_LIMIT} characters in, {templates.OUTPUT_LIMIT} out",
        f"{worker.REQUEST_SECONDS:.0f} s for its head",
        f"{worker.BODY_SECONDS:.0f} s for its body",
        f"{worker.ANSWER_SECONDS:.0f} s to take the answer",
    ):
        assert said in told, said


def test_what_the_page_says_of_fields_is_so():
    titles = {permission.title.casefold() for permission in Permission}
    cells = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", section("Which fields need more than their page"), re.MULTILINE)
    needed = [cell.strip() for cell in cells if cell.strip() not in {"also needs", "---"}]
    assert len(needed) >= 5
    assert all(cell.split(";")[0] in titles or cell == "nobody sees them again" for cell in needed), needed


def test_what_the_page_says_of_browsers_is_so():
    """TLS below 1.2 is refused elsewhere (`test_an_older_version_is_refused`). Here: without the cookie nobody gets
    in, scripts are never inline, and a page without scripts says so."""
    assert "TLS 1.2" in section("Browsers") and tls.TLS_1_2_SUITES
    without_cookies = browser()
    page = without_cookies.get("/sign-in")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())[1]
    strict = type(without_cookies)(enforce_csrf_checks=True, headers={"host": "localhost"})
    form = {"email": "asha@example.com", "password": "whatever it is", "csrfmiddlewaretoken": token}
    answer = strict.post("/sign-in", form, secure=True, headers={"referer": "https://localhost/sign-in"})
    assert answer.status_code == 403
    assert "<noscript>" in (CONSOLE / "templates" / "console" / "base.html").read_text()


def test_the_limits_on_the_page_of_sending_data_are_those_of_the_program():
    for said in (
        f"| one item | {protocol.ITEM_LIMIT // 1024} KB |",
        f"| one request | {protocol.BATCH_LIMIT // 1024} KB after decompression |",
        "`ingest_rate` events a second for each key",
        f"at most {protocol.ID_LIMIT} characters",
        f"{protocol.DEPTH_LIMIT} levels",
    ):
        assert said in SENDING, said
