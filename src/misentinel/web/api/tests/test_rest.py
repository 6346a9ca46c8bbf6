"""The REST API through the whole stack: what it shows, to whom, and that every look is on the trail."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from django.test import Client

from misentinel.events.actions import ingest
from misentinel.events.rules.protocol import parse
from misentinel.kernel.actor import Actor, ActorKind, operator
from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.people.queries import find_by_user_id
from misentinel.store.contracts import Store
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries


def _client(store: Store, *permissions: Permission, kind: CredentialKind = CredentialKind.API_TOKEN) -> Client:
    made = create_credential(operator("test"), store.customer_id, kind, name="test", permissions=permissions)
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


@pytest.fixture
def zoe(acme: Store) -> Any:
    items = [
        {"type": "identify", "userId": "zoe", "traits": {"email": "zoe@example.com", "firstName": "Zoe"}},
        *({"type": "track", "userId": "zoe", "event": f"Step {n}", "properties": {"n": n}} for n in range(5)),
    ]
    ingest(acme, Actor(ActorKind.WRITE_KEY, "key"), parse(orjson.dumps({"batch": items}), "batch", now()))
    return find_by_user_id(acme, "zoe")


def test_a_person_is_found_shown_and_the_look_is_on_the_trail(acme: Store, zoe: Any) -> None:
    client = _client(acme, Permission.USER_DATA)
    (found,) = client.post("/api/people/search", {"search": "zoe"}, "application/json").json()["people"]
    assert found["id"] == str(zoe)
    shown = client.get(f"/api/people/{zoe}")
    assert shown.json()["traits"] == {"email": "zoe@example.com", "firstName": "Zoe"}
    (entry,) = list_entries(acme, EntryFilter(tag="person:view")).entries
    assert (entry.person_id, entry.actor_kind, entry.request_id) == (zoe, "api_token", shown["X-Request-Id"])
    (listed,) = list_entries(acme, EntryFilter(tag="person:list")).entries
    assert "zoe" not in json.dumps(listed.details)  # what was searched for may be a name: it is not kept


def test_the_timeline_comes_in_pages_without_gap_or_repeat(acme: Store, zoe: Any) -> None:
    client = _client(acme, Permission.USER_DATA)
    names: list[str] = []
    after = ""
    for _ in range(10):
        page = client.get(f"/api/people/{zoe}/events?limit=2{after}").json()
        names += [e["name"] for e in page["events"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(n for n in names if n) == [f"Step {n}" for n in range(5)]
    assert len(names) == len(set(names))


def test_a_token_without_the_permission_is_refused_and_that_is_on_the_trail(acme: Store, zoe: Any) -> None:
    answer = _client(acme, Permission.TRAIL).get(f"/api/people/{zoe}")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert "zoe" not in answer.content.decode()
    (entry,) = list_entries(acme, EntryFilter(tag="access:refuse")).entries
    assert (entry.details["needs"], entry.details["wanted"]) == ("user-data", "person:view")


def test_a_write_key_reads_nothing(acme: Store, zoe: Any) -> None:
    client = _client(acme, kind=CredentialKind.WRITE_KEY)
    for url in ("/api/people", f"/api/people/{zoe}", "/api/trail"):
        assert client.get(url).status_code == 403


def test_without_a_key_there_is_an_answer_that_says_so(zoe: Any) -> None:
    answer = Client().get("/api/people")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Basic")


def test_anothers_person_is_like_one_that_does_not_exist(acme: Store, bolt: Store, zoe: Any) -> None:
    mallory = _client(bolt, Permission.USER_DATA)
    for url in ("/api/people/{}", "/api/people/{}/events"):
        theirs, nobodys = mallory.get(url.format(zoe)), mallory.get(url.format(new_id()))
        assert theirs.status_code == nobodys.status_code == 404
        assert _masked(theirs) == _masked(nobodys)


def _masked(answer: Any) -> Any:
    body = {k: v for k, v in answer.json().items() if k != "instance"}
    return body, {k: v for k, v in answer.headers.items() if k != "X-Request-Id"}


@pytest.mark.parametrize(
    "url",
    [
        "/api/people?limit=0", "/api/people?limit=x", "/api/people?after=x", "/api/people/not-an-id",
        "/api/trail?since=2026-03-01T00:00:00", "/api/trail?person_id=x",
        "/api/trail?actor_id=%00", "/api/trail?tag=a%00b",
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(acme: Store, url: str) -> None:
    answer = _client(acme, Permission.USER_DATA, Permission.TRAIL).get(url)
    assert answer.status_code in (404, 422)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["instance"] == f"urn:uuid:{answer['X-Request-Id']}"


def test_the_trail_is_read_page_by_page_and_reading_it_is_on_it(acme: Store, zoe: Any) -> None:
    client = _client(acme, Permission.TRAIL)
    page = client.get("/api/trail?limit=1").json()
    assert page["next"]
    assert client.get(f"/api/trail?limit=1&after={page['next']}").json()["entries"] != page["entries"]
    entry = client.get("/api/trail?tag=event:receive").json()["entries"][0]
    assert client.get(f"/api/trail/{entry['id']}").json()["tag"] == "event:receive"
    tags = [e.tag for e in list_entries(acme).entries]
    assert tags.count("trail:list") == 3
    assert tags.count("trail:view") == 1


def test_the_description_names_every_operation(acme: Store) -> None:
    described = Client().get("/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == {
        "/api/people", "/api/people/search", "/api/people/{person_id}", "/api/people/{person_id}/events",
        "/api/trail", "/api/trail/readers", "/api/admins/activity_logs",
        "/api/trail/{entry_id}", "/api/trail/{entry_id}/proof",
        "/api/log/keys", "/api/log/checkpoint", "/api/log/tile/{tile}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("until=5319-09-15T12:28:49-20:03", 200), ("since=2026-03-01T00:00:00%2B23:59", 200),
        ("until=9999-12-31T23:59:59-23:00", 422), ("since=0001-01-01T00:00:00%2B23:00", 422),
    ],
)  # fmt: skip
def test_a_moment_in_a_zone_that_no_clock_shows_is_understood_or_refused(acme: Store, query: str, status: int) -> None:
    assert _client(acme, Permission.TRAIL).get(f"/api/trail?{query}").status_code == status
