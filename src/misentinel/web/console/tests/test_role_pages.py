"""Roles and permissions for a time, as forms give and take them; and the permissions that only some requests need."""

from __future__ import annotations

import re

import pytest

from misentinel.teammates import queries
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.web.console.tests.test_message_pages import written
from misentinel.web.console.tests.test_people_pages import identify, tell
from tests.cast import hire, signed_in

P = Permission
SENDER = GRANTABLE - {P.SEND_TO_MANY}


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha"))


@pytest.fixture
def cleo(acme):
    return hire(acme.customer_id, "Cleo", [])


def own_role(acme):
    return next(role for role in queries.list_roles(acme.customer_id) if not role.shipped)


def test_a_role_is_made_from_a_shipped_one_given_changed_and_deleted(acme, asha, cleo) -> None:
    page = asha.get("/teammates/roles/new?from=support").content.decode()
    chosen = re.findall(r'name="permissions" value="([a-z-]+)" checked', page)
    assert set(chosen) == queries.get_role(acme.customer_id, "support").permissions
    made = asha.post("/teammates/roles/new", {"title": "Night shift", "about": "At night", "permissions": chosen})
    assert made.status_code == 302
    role = own_role(acme)
    assert asha.post(f"/teammates/{cleo.id}", {"role": role.id, "permissions": ["trail"]}).status_code == 302
    view = queries.get_teammate(acme.customer_id, cleo.id)
    assert (view.role.title, view.single, view.permissions) == ("Night shift", {P.TRAIL}, role.permissions | {P.TRAIL})
    told = asha.post(f"/teammates/roles/{role.id}/delete")
    assert (
        told.status_code == 409 and b"One teammate has this role" in told.content
    ) or b"1 teammate has" in told.content
    asha.post(f"/teammates/roles/{role.id}", {"title": "Nights", "about": "", "permissions": ["reports"]})
    assert queries.get_teammate(acme.customer_id, cleo.id).permissions == {P.REPORTS, P.TRAIL}
    asha.post(f"/teammates/{cleo.id}", {"role": "", "permissions": []})
    assert asha.post(f"/teammates/roles/{role.id}/delete").status_code == 302
    assert all(each.shipped for each in queries.list_roles(acme.customer_id))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"title": ""}, 422),
        ({"title": "Owner"}, 422),
        ({"title": "x" * 61}, 422),
        ({"title": "A", "about": "x" * 201}, 422),
    ],
)
def test_a_poor_role_comes_back_with_what_was_typed(asha, given, status) -> None:
    answer = asha.post("/teammates/roles/new", {"permissions": ["trail"], **given})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="trail" checked' in page and re.search("alert-danger|error-text", page)


def test_a_shipped_role_can_only_be_read(asha) -> None:
    page = asha.get("/teammates/roles/owner").content.decode()
    assert "stays as it is" in page and "Save role" not in page
    assert asha.post("/teammates/roles/owner", {"title": "Mine", "permissions": []}).status_code in (409, 422)


def test_a_permission_is_given_for_a_time_and_taken_away(acme, asha, cleo) -> None:
    client = signed_in(cleo)
    given = {"permission": "trail", "hours": "8", "reason": "Stands in for Ben"}
    assert asha.post(f"/teammates/{cleo.id}/grants", given).status_code == 302
    assert client.get("/trail").status_code == 200
    assert "Stands in for Ben" in asha.get(f"/teammates/{cleo.id}").content.decode()
    (grant,) = queries.get_teammate(acme.customer_id, cleo.id).grants
    assert asha.post(f"/teammates/{cleo.id}/grants/{grant.id}/end").status_code == 302
    assert client.get("/trail").status_code == 403


@pytest.mark.parametrize(
    "change", [{"hours": "9999"}, {"hours": "x"}, {"permission": "root"}, {"permission": ""}, {"reason": " "}]
)
def test_a_permission_for_a_time_that_makes_no_sense_is_told(acme, asha, cleo, change) -> None:
    answer = asha.post(
        f"/teammates/{cleo.id}/grants", {"permission": "trail", "hours": "8", "reason": "Why not", **change}
    )
    assert answer.status_code == 422 and b"alert-danger" in answer.content
    assert queries.get_teammate(acme.customer_id, cleo.id).grants == ()


def test_a_role_beyond_ones_own_reach_is_neither_offered_nor_taken(acme, asha, cleo) -> None:
    ben = signed_in(hire(acme.customer_id, "Ben", {P.TEAMMATES, P.TRAIL}))
    page = ben.get(f"/teammates/{cleo.id}").content.decode()
    assert re.search(r'value="owner" disabled', page) and not re.search(r'value="auditor" disabled', page)
    assert ben.post(f"/teammates/{cleo.id}", {"role": "owner"}).status_code == 403
    assert ben.post(f"/teammates/{cleo.id}", {"role": "auditor"}).status_code == 302


def test_sending_to_more_than_one_person_is_a_permission_of_its_own(acme, asha) -> None:
    ben = signed_in(hire(acme.customer_id, "Ben", SENDER))
    tell(acme, identify("u-1", email="ada@example.com"))
    message = written(acme, asha)
    assert ben.get(f"/messages/{message.id}/send").status_code == 200, "one person"
    tell(acme, identify("u-2", email="bea@example.com"))
    assert ben.get(f"/messages/{message.id}/send").status_code == 403
    assert ben.post(f"/messages/{message.id}/send", {"expected": "2"}).status_code == 403
    assert asha.post(f"/messages/{message.id}/send", {"expected": "2"}).status_code == 302


def test_figures_are_for_those_who_may_read_reports(acme, asha) -> None:
    tell(acme, identify("u-1", email="ada@example.com"))
    message = written(acme, asha)
    asha.post(f"/messages/{message.id}/send", {"expected": "1"})
    ben = signed_in(hire(acme.customer_id, "Ben", GRANTABLE - {P.REPORTS}))
    for client, shown in ((asha, True), (ben, False)):
        page = client.get(f"/messages/{message.id}").content.decode()
        assert ("figure-value" in page) is shown and ("Recipients" in page) and ("ada@example.com" in page) is shown
