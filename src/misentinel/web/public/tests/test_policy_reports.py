"""A browser's report of a violation is kept in words of ours; a stranger's is no way to fill the log."""

from __future__ import annotations

import json

import pytest
from django.http import HttpResponse
from django.test import Client

from misentinel.trail.contracts import EntryFilter, EntryView
from misentinel.trail.queries import list_platform_entries
from misentinel.web.allowance import Allowance
from misentinel.web.public import policy_reports


@pytest.fixture(autouse=True)
def _uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_reports, "_allowance", Allowance(100))


def send(body: object, kind: str = "application/reports+json", address: str = "192.0.2.9") -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(headers={"host": "localhost"}, REMOTE_ADDR=address)
    return client.generic("POST", "/policy-reports", raw, content_type=kind, secure=True)


def entry_of(answer: HttpResponse) -> EntryView:
    (entry,) = list_platform_entries(EntryFilter(request_id=answer["X-Request-Id"])).entries
    return entry


def violation(**body: object) -> dict[str, object]:
    return {"type": "csp-violation", "age": 1, "url": "https://localhost/people", "user_agent": "x", "body": body}


def test_a_report_is_kept_as_directive_kind_and_route() -> None:
    page = "https://localhost/people/00000000-0000-7000-8000-000000000000?search=rosa"
    answer = send(
        [violation(effectiveDirective="script-src-elem", blockedURL="inline", documentURL=page, sample="secret")]
    )
    entry = entry_of(answer)
    assert (answer.status_code, entry.tag, entry.outcome) == (204, "policy:report", "done")
    assert entry.details["stopped"] == ["script-src-elem inline /people/<uuid:person_id>"]
    assert "rosa" not in json.dumps(entry.details) and "secret" not in json.dumps(entry.details)


def test_the_older_form_is_read_too() -> None:
    old = {"csp-report": {"violated-directive": "img-src", "blocked-uri": "https://evil.test/x", "document-uri": "/"}}
    assert entry_of(send(old, "application/csp-report")).details["stopped"] == ["img-src elsewhere /"]


def test_nothing_that_a_stranger_chose_is_kept() -> None:
    answer = send([violation(effectiveDirective="rosa", blockedURL=["rosa"], documentURL={"rosa": "rosa"})])
    assert entry_of(answer).details["stopped"] == ["other elsewhere /?"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 9000, 400),
        (b"\xff", 400),
        (b" " * 20_000, 413),
        (b"[1, null, {}]", 204),
        (b"7", 204),
    ],
)
def test_what_is_no_report_is_answered_in_kind(body: bytes, status: int) -> None:
    assert send(body).status_code == status


def test_a_flood_of_one_address_is_turned_away_and_others_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_reports, "_allowance", Allowance(3, clock=lambda: 1.0))
    answers = [send([]) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [204, 204, 204, 429]
    assert answers[3]["Retry-After"] == "1"
    assert send([], address="192.0.2.10").status_code == 204
