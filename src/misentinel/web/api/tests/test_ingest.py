"""The Segment protocol at the door: who may send, what is answered, and that 200 means stored."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from django.test import Client

from misentinel.events import queries as events
from misentinel.kernel.actor import system
from misentinel.people import queries as people
from misentinel.teammates.actions import create_credential, revoke_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web.allowance import Allowance
from misentinel.web.api import ingest

TRACK = {"type": "track", "event": "Paid", "userId": "asha", "messageId": "m-1"}


def write_key(store):
    return create_credential(system("test"), store.customer_id, CredentialKind.WRITE_KEY, name="Website")


def send(key, body, call="batch", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    if key is not None:
        headers["authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    client = Client(headers={"host": "localhost"}, raise_request_exception=False)
    return client.generic(
        "POST", f"/v1/{call}", data, content_type=headers.pop("content_type", "application/json"), headers=headers
    )


@pytest.mark.parametrize("call", ["identify", "track", "page", "screen", "group", "alias"])
def test_each_call_is_stored_before_it_is_answered(acme, call):
    item = {"userId": "asha", "event": "Paid", "groupId": "g-1", "previousId": "a-1"}
    answer = send(write_key(acme).secret, item, call)
    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "results": [{"index": 0, "status": "accepted"}]},
    )
    (event,) = events.timeline(acme, people.find_by_user_id(acme, "asha"))
    assert event.type == call


def test_a_batch_gets_a_verdict_for_each_item(acme):
    card = {**TRACK, "messageId": "m-2", "properties": {"note": "4111 1111 1111 1111"}}
    answer = send(write_key(acme).secret, {"batch": [TRACK, card, TRACK, 7]})
    assert answer.status_code == 200
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "refused", "duplicate", "refused"]
    refusal = answer.json()["results"][1]
    assert (refusal["code"], refusal["path"]) == ("card_number", "/properties/note")
    assert "4111" not in answer.content.decode()


def test_gzip_is_read_whatever_it_is_called(acme):
    body = gzip.compress(json.dumps({"batch": [TRACK]}).encode())
    key = write_key(acme).secret
    answer = send(key, body, content_type="application/x-www-form-urlencoded")
    assert answer.json()["results"] == [{"index": 0, "status": "accepted"}]
    answer = send(key, body, content_encoding="gzip")
    assert answer.json()["results"] == [{"index": 0, "status": "duplicate"}]


def test_the_key_may_be_in_the_body_also_of_a_batch_that_is_partly_unreadable(acme):
    key = write_key(acme).secret
    assert send(None, {"batch": [TRACK], "writeKey": key}).status_code == 200
    assert send(None, {**TRACK, "writeKey": key}, "track").status_code == 200
    body = b'{"batch": [{"x": NaN}, ' + json.dumps({**TRACK, "messageId": "m-3"}).encode() + b'], "writeKey": "%s"}'
    answer = send(None, body % key.encode())
    assert [result["status"] for result in answer.json()["results"]] == ["refused", "accepted"]


def test_without_a_living_write_key_nothing_is_stored(acme, bolt):
    credential = write_key(acme)
    revoke_credential(system("test"), acme.customer_id, credential.view.id)
    reader = create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="Reader", permissions=[Permission.TRAIL]
    )
    wanted = {None: 401, "": 401, "msw_wrong": 401, credential.secret: 401, reader.secret: 403}
    for key, status in wanted.items():
        assert send(key, {"batch": [TRACK]}).status_code == status
    assert send(None, {"batch": [TRACK], "writeKey": credential.secret}).status_code == 401
    assert send(None, b"no json").status_code == 401
    assert send(write_key(bolt).secret, {"batch": [TRACK]}).status_code == 200
    assert (events.count_events(acme), events.count_events(bolt)) == (0, 1)


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"", 400), (b"[]", 400), (b" " * 600_000, 413)])
def test_what_is_no_request_is_answered_with_a_problem_and_an_entry(acme, body, status):
    answer = send(write_key(acme).secret, body)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    (entry,) = list_entries(acme, EntryFilter(tag=Tag.EVENT_RECEIVE)).entries
    assert entry.outcome == "failed"


def test_who_sends_too_much_is_told_how_long_to_wait(acme, monkeypatch):
    monkeypatch.setattr(ingest, "_allowance", Allowance(10))
    key = write_key(acme).secret
    batch = {"batch": [{**TRACK, "messageId": f"m-{n}"} for n in range(25)]}
    assert send(key, batch).status_code == 200
    answer = send(key, batch)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) == 2
    assert send(write_key(acme).secret, batch).status_code == 200, "each key has an allowance of its own"
    assert events.count_events(acme) == 25


def test_an_allowance_fills_up_again_and_never_beyond_a_second_s_worth():
    at = [0.0]
    allowance = Allowance(100, clock=lambda: at[0])
    assert [allowance.take("k", 60), allowance.take("k", 60), allowance.take("k", 1)] == [0, 0, 1]
    at[0] = 0.3
    assert allowance.take("k", 1) == 0
    at[0] = 1000.0
    assert [allowance.take("k", 100), allowance.take("k", 1)] == [0, 1]


def test_other_methods_are_not_allowed(acme):
    answer = Client(headers={"host": "localhost"}).get("/v1/batch")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
