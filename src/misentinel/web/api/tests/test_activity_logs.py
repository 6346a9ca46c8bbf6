"""The trail in Intercom's shape, and who saw a person: through the whole stack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from misentinel.kernel import clock
from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.ids import new_id
from misentinel.store.contracts import Store
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.actions import record
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from tests.cast import hire

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def _client(store: Store, *permissions: Permission) -> Client:
    made = create_credential(
        system("test"), store.customer_id, CredentialKind.API_TOKEN, name="test", permissions=permissions
    )
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


@pytest.fixture
def asha(acme: Store):
    """Asha made five segments in March, one on each day, and the program one."""
    asha = hire(acme.customer_id, "Asha")
    for day in range(5):
        with clock.held(MARCH + timedelta(days=day)), acme.atomic():
            by = Actor(ActorKind.TEAMMATE, str(asha.id), address="192.0.2.7")
            record(acme, by, Tag.SEGMENT_CREATE, object_kind="segment", object_id=f"s-{day}", details={"count": day})
    with clock.held(MARCH), acme.atomic():
        record(acme, system("test"), Tag.SEGMENT_CREATE)
    return asha


def test_what_teammates_did_has_intercoms_shape(acme: Store, asha) -> None:
    after, before = int(MARCH.timestamp()), int((MARCH + timedelta(days=1)).timestamp())
    url = f"/api/admins/activity_logs?created_at_after={after}&created_at_before={before}"
    answer = _client(acme, Permission.TRAIL).get(url).json()
    (found,) = answer.pop("activity_logs")
    assert answer == {"type": "activity_log.list", "pages": {"type": "pages", "next": None, "per_page": 20}}
    assert found["performed_by"] == {"type": "admin", "id": str(asha.id), "email": asha.email, "ip": "192.0.2.7"}
    assert (found["activity_type"], found["created_at"]) == ("segment:create", after)
    assert found["activity_description"] == "Asha: segment create on segment s-0, done."
    assert found["metadata"]["object"] == {"type": "segment", "id": "s-0"}
    assert list_entries(acme, EntryFilter(tag="trail:list")).entries[0].details["count"] == 1


def test_its_pages_are_followed_by_their_marks_without_gap_or_repeat(acme: Store, asha) -> None:
    client, seen, more = _client(acme, Permission.TRAIL), [], {}
    for _ in range(5):
        page = client.get("/api/admins/activity_logs", {"created_at_after": 0, "per_page": 2, **more}).json()
        seen += [entry["metadata"]["object"]["id"] for entry in page["activity_logs"]]
        more = page["pages"]["next"]
        if more is None:
            break
    assert seen == [f"s-{day}" for day in range(4, -1, -1)]


@pytest.mark.parametrize(
    "query", ["per_page=0", "per_page=251", "created_at_after=99999999999999999", "created_at_after=x"]
)
def test_what_cannot_be_asked_is_named(acme: Store, query: str) -> None:
    assert _client(acme, Permission.TRAIL).get(f"/api/admins/activity_logs?{query}").status_code == 422


def test_who_saw_a_person_is_counted_and_its_entries_are_listed(acme: Store, asha) -> None:
    zoe = new_id()
    with clock.held(MARCH), acme.atomic():
        record(acme, Actor(ActorKind.TEAMMATE, str(asha.id)), Tag.PERSON_VIEW, person_id=zoe)
    client = _client(acme, Permission.TRAIL)
    range_ = {"since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}
    answer = client.get("/api/trail/readers", {"person_id": str(zoe), **range_}).json()
    assert [(r["actor_id"], r["looks"]) for r in answer["readers"]] == [(str(asha.id), 1)]
    assert answer["complete_since"] is None
    listed = client.get("/api/trail", {"seen_person": str(zoe), "actor_id": str(asha.id), **range_}).json()["entries"]
    assert [entry["tag"] for entry in listed] == ["person:view"]


def test_lists_over_rest_tell_whom_they_showed(acme: Store, asha) -> None:
    from misentinel.messages.tests.people import come_in, identify
    from misentinel.people.queries import find_by_user_id

    come_in(acme, identify("zoe", city="York"))
    zoe = find_by_user_id(acme, "zoe")
    client = _client(acme, Permission.USER_DATA, Permission.TRAIL)
    client.get("/api/people")
    client.post("/api/people/search", {"search": "nobody"}, "application/json")
    found = client.get("/api/trail", {"seen_person": str(zoe)}).json()["entries"]
    assert [(entry["tag"], entry["details"]["count"]) for entry in found] == [("person:list", 1)]


def test_neither_is_read_without_the_permission(acme: Store) -> None:
    client = _client(acme, *set(Permission) & {Permission.USER_DATA, Permission.EXPORT})
    url = f"/api/trail/readers?person_id={new_id()}&since=2026-03-01T00:00:00Z&until=2026-04-01T00:00:00Z"
    for path in ("/api/admins/activity_logs", url):
        assert client.get(path).status_code == 403
