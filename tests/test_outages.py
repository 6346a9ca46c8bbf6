"""A store that cannot be reached: one sentence to whoever asks, an entry all the same, and nobody else is held up."""

from __future__ import annotations

import json
import logging
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Unavailable
from misentinel.store import queries
from misentinel.store.contracts import Store
from misentinel.store.models import Placement
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.actions import copy_pending, record_control
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries, list_platform_entries
from tests.outage import end_sessions, unreachable


def _token(store: Store) -> str:
    kind, permissions = CredentialKind.API_TOKEN, [Permission.USER_DATA, Permission.TRAIL]
    return create_credential(
        system("test"), store.customer_id, kind, name="Report", permissions=permissions
    ).secret  # fmt: skip


def _ask(url: str, token: str = "", method: str = "GET") -> HttpResponse:
    headers = {"host": "localhost", **({"authorization": f"Bearer {token}"} if token else {})}
    return Client(headers=headers, raise_request_exception=False).generic(method, url)


def test_a_restart_of_the_database_fails_no_request(acme: Store) -> None:
    token = _token(acme)
    assert _ask("/api/people", token).status_code == 200
    connections[acme.alias].close()  # as at the end of every request that was served
    end_sessions(acme)
    assert _ask("/api/people", token).status_code == 200


def test_a_store_out_of_reach_is_told_in_one_sentence_and_the_entry_waits_for_it(acme: Store) -> None:
    token = _token(acme)
    with unreachable(acme):
        answer = _ask("/api/people", token)
    told = json.loads(answer.content)
    assert (answer.status_code, told["status"], answer["Content-Type"]) == (503, 503, "application/problem+json")
    assert "does not answer" in told["detail"]
    wanted = EntryFilter(request_id=answer["X-Request-Id"])
    (entry,) = list_platform_entries(wanted).entries
    assert (entry.tag, entry.outcome) == ("person:list", "failed")
    copy_pending()
    assert [e.id for e in list_entries(acme, wanted).entries] == [entry.id]


def test_entries_of_a_store_out_of_reach_do_not_hold_up_those_of_others(acme: Store, bolt: Store) -> None:
    with unreachable(acme), unreachable(bolt):
        mine = [
            record_control(system("test"), Tag.CUSTOMER_EDIT, customer_id=store.customer_id) for store in (acme, bolt)
        ]
    with unreachable(acme):
        copy_pending()
        assert mine[1] in [e.id for e in list_entries(bolt).entries]
    copy_pending()
    assert mine[0] in [e.id for e in list_entries(acme).entries]


def test_a_store_that_is_behind_does_not_hide_those_after_it(acme: Store, bolt: Store) -> None:
    Placement.objects.filter(customer_id=acme.customer_id).update(schema="old")
    queries.forget_store(acme.customer_id)
    with pytest.raises(Unavailable):
        queries.get_store(acme.customer_id)
    assert bolt in list(queries.each_store())


def test_a_refusal_because_of_us_is_in_the_log_under_its_request_id(
    acme: Store, caplog: pytest.LogCaptureFixture
) -> None:
    token = _token(acme)
    Placement.objects.filter(customer_id=acme.customer_id).update(fault="the disk is on fire")
    queries.forget_store(acme.customer_id)
    with caplog.at_level(logging.ERROR):
        answer = _ask("/api/people", token)
    assert answer.status_code == 503
    assert answer["X-Request-Id"] in caplog.text


@pytest.mark.parametrize(
    ("url", "method", "allowed"), [("/api/people", "DELETE", "GET, HEAD"), ("/v1/track", "GET", "POST")]
)
def test_a_method_that_a_url_does_not_have_is_refused_and_recorded(
    acme: Store, url: str, method: str, allowed: str
) -> None:
    answer = _ask(url, _token(acme), method)
    assert (answer.status_code, answer["Allow"], answer["Content-Type"]) == (405, allowed, "application/problem+json")
    (entry,) = list_entries(acme, EntryFilter(request_id=answer["X-Request-Id"])).entries
    assert (entry.tag, entry.outcome, entry.details["route"]) == ("access:refuse", "refused", f"{method} {url}")


def test_a_method_nobody_has_heard_of_is_not_repeated_on_the_trail() -> None:
    answer = _ask("/api/people", method="ASHA")
    (entry,) = list_platform_entries(EntryFilter(request_id=answer["X-Request-Id"])).entries
    assert (answer.status_code, entry.details["route"]) == (405, "OTHER /api/people")


@pytest.mark.parametrize(
    ("form", "status"), [({"password": "x" * 3_000_000}, 413), ({f"f{n}": "" for n in range(1100)}, 400)]
)
def test_a_form_that_cannot_be_read_is_told_in_one_sentence(form: dict[str, str], status: int) -> None:
    client = Client(headers={"host": "localhost"}, raise_request_exception=False)
    answer = client.post("/sign-in", urlencode(form), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == status
    assert answer["X-Request-Id"] in answer.content.decode()
