"""What reaches no view is on the platform log all the same, and a flood of it does not fill the log."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client

from misentinel.trail.contracts import EntryFilter, EntryView
from misentinel.trail.queries import list_platform_entries
from misentinel.web import unrouted
from misentinel.web.unrouted import ALTOGETHER, PER_ADDRESS, Folding

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _uncounted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(unrouted, "_of_address", Folding(PER_ADDRESS))
    monkeypatch.setattr(unrouted, "_of_all", Folding(ALTOGETHER))
    yield


def knock(url: str, method: str = "GET", body: bytes = b"", address: str = "192.0.2.40") -> HttpResponse:
    client = Client(headers={"host": "localhost"}, REMOTE_ADDR=address, raise_request_exception=False)
    return client.generic(method, url, body, content_type=FORM, secure=True)


def entries_of(answer: HttpResponse) -> list[EntryView]:
    return list_platform_entries(EntryFilter(request_id=answer["X-Request-Id"])).entries


def test_a_url_that_leads_nowhere_is_recorded_without_its_words() -> None:
    answer = knock("/people/rosa.lopez@example.com?name=Rosa")
    (entry,) = entries_of(answer)
    assert (answer.status_code, entry.tag, entry.outcome) == (404, "access:refuse", "refused")
    assert entry.details == {"error": "not_found", "route": "GET nowhere", "number": 1, "of_all": 1}
    assert (entry.actor_kind, entry.address) == ("anonymous", "192.0.2.40")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_so_is_every_method_of_it(method: str) -> None:
    (entry,) = entries_of(knock("/no-such-page", method))
    assert entry.details["route"] == f"{method} nowhere"


def test_a_method_nobody_has_heard_of_is_not_repeated() -> None:
    (entry,) = entries_of(knock("/no-such-page", "ROSA"))
    assert entry.details["route"] == "OTHER nowhere"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [({"password": "x" * 3_000_000}, 413, "too_large"), ({f"f{n}": "" for n in range(1100)}, 400, "malformed")],
)
def test_a_form_that_cannot_be_read_leaves_one_entry(form: dict[str, str], status: int, error: str) -> None:
    browser = Client(headers={"host": "localhost", "origin": "https://localhost"}, enforce_csrf_checks=True)
    browser.get("/sign-in", secure=True)  # with its cookie, so that the check against forgery reads the form
    answer = browser.post("/sign-in", urlencode(form), content_type=FORM, secure=True)
    (entry,) = entries_of(answer)
    assert (answer.status_code, entry.outcome, entry.details["error"]) == (status, "refused", error)


def test_where_the_gate_has_recorded_there_is_no_second_entry() -> None:
    answer = knock("/sign-in", "POST", urlencode({"password": "x" * 3_000_000}).encode())
    assert (answer.status_code, [entry.tag for entry in entries_of(answer)]) == (413, ["sign_in:password"])


def test_a_form_from_elsewhere_is_recorded() -> None:
    strict = Client(headers={"host": "localhost"}, enforce_csrf_checks=True)
    answer = strict.post("/sign-in", "email=x", content_type=FORM, secure=True)
    (entry,) = entries_of(answer)
    assert (answer.status_code, entry.details) == (403, {"error": "forgery", "route": "POST /sign-in"})


def test_a_flood_of_one_address_is_told_and_folded() -> None:
    told = [number for number in range(1, 301) if entries_of(knock("/no-such-page"))]
    assert told == [*range(1, PER_ADDRESS + 1), 16, 32, 64, 128, 256]


def test_a_flood_does_not_hide_what_others_do() -> None:
    for _ in range(300):
        knock("/no-such-page")
    assert entries_of(knock("/no-such-page", address="192.0.2.41"))


def test_a_flood_from_everywhere_is_folded_too() -> None:
    addresses = [f"198.51.100.{number}" for number in range(200)]
    told = [number for number, one in enumerate(addresses, 1) if entries_of(knock("/no-such-page", address=one))]
    assert told == [*range(1, ALTOGETHER + 1), 128]


def test_a_subscriber_with_a_whole_network_of_ipv6_counts_as_one() -> None:
    for number in range(PER_ADDRESS):
        knock("/no-such-page", address=f"2001:db8::{number:x}")
    assert not entries_of(knock("/no-such-page", address="2001:db8::ffff"))
    assert entries_of(knock("/no-such-page", address="2001:db8:0:1::1"))


def test_a_new_minute_starts_anew() -> None:
    at = [0.0]
    folding = Folding(2, clock=lambda: at[0])
    assert [folding.number("a") for _ in range(5)] == [1, 2, 0, 4, 0]
    at[0] = 61.0
    assert folding.number("a") == 1


def test_no_more_addresses_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrouted, "_MOST_ADDRESSES", 3)
    folding = Folding(1)
    for key in "abcd":
        folding.number(key)
    assert len(folding._counts) == 3
