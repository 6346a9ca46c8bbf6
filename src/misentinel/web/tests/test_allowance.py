"""What one credential may ask for: across threads and processes, each apart from the others."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from misentinel.web import gate
from misentinel.web.allowance import Allowance
from tests.cast import hire, signed_in


def held(rate: int) -> Allowance:
    """An allowance whose clock stands still, so that nothing is filled up while a test counts."""
    return Allowance(rate, clock=lambda: 1.0)


def test_processes_that_were_forked_share_the_buckets() -> None:
    allowance = held(10)
    assert allowance.take("key", 4) == 0
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(allowance.take("key", 4))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert allowance.take("key", 1) == 1


def test_a_process_that_is_killed_while_it_counts_holds_up_nobody() -> None:
    allowance = held(10)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with allowance._locked():
            os.write(write, b"x")
            os.kill(os.getpid(), 9)
    os.read(read, 1)
    os.waitpid(child, 0)
    assert allowance.take("key", 1) == 0


def test_threads_take_no_more_than_there_is() -> None:
    allowance = held(500)
    with ThreadPoolExecutor(8) as threads:
        taken = sum(wait == 0 for wait in threads.map(lambda _: allowance.take("key", 1), range(2000)))
    assert taken == 500


def test_a_thousand_credentials_each_have_their_own() -> None:
    allowance = held(1)
    assert [allowance.take(f"key-{n}", 1) for n in range(1000)] == [0] * 1000
    assert sum(allowance.take(f"key-{n}", 1) for n in range(1000)) >= 995  # a full set forgets the quietest


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_allowance", held(2))


def test_a_token_that_asks_too_often_is_told_how_long_to_wait_and_it_is_on_the_trail(acme, slow) -> None:
    clients = []
    for _ in range(2):
        made = create_credential(
            system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="x", permissions=[Permission.USER_DATA]
        )
        clients.append(Client(headers={"Authorization": f"Bearer {made.secret}"}))
    answers = [clients[0].get("/api/people") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) == 1
    assert answers[2]["Content-Type"] == "application/problem+json"
    (entry,) = list_entries(acme, EntryFilter(request_id=answers[2]["X-Request-Id"])).entries
    assert (entry.outcome, entry.details["error"]) == ("failed", "too_many_requests")
    assert clients[1].get("/api/people").status_code == 200, "another token of the same customer is not slowed"


def test_a_session_in_the_console_has_an_allowance_too(acme, slow) -> None:
    asha = hire(acme.customer_id, "Asha")
    browser = signed_in(asha)
    assert [browser.get("/account/sessions").status_code for _ in range(3)] == [200, 200, 429]
    assert browser.get("/account/sessions")["Retry-After"] == "1"
    assert signed_in(asha).get("/account/sessions").status_code == 200
