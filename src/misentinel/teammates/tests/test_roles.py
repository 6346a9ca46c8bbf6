"""Roles, single permissions and permissions for a time: what counts when, and every way to gain more than was given."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import held, now
from misentinel.kernel.errors import Conflict, Invalid, Misconfigured, NotFound, Refused
from misentinel.kernel.ids import new_id
from misentinel.teammates import actions, queries, roles
from misentinel.teammates.contracts import GRANTABLE, Notice, Permission
from misentinel.teammates.jobs import end_expired_grants
from misentinel.teammates.models import Grant, NoticeRecord, Teammate
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import hire, signed_in

P = Permission


def acting(teammate: Teammate) -> Actor:
    return Actor(ActorKind.TEAMMATE, str(teammate.id), "session", "192.0.2.7", str(new_id()))


@pytest.fixture
def asha(acme):
    return hire(acme.customer_id, "Asha")


@pytest.fixture
def cleo(acme, asha):
    return hire(acme.customer_id, "Cleo", [])


def test_every_shipped_role_names_every_permission() -> None:
    assert next(iter(roles.shipped_roles())) == roles.OWNER
    assert roles.shipped_roles()[roles.OWNER].permissions == GRANTABLE
    for role in roles.shipped_roles().values():
        assert role.title and role.about.endswith(".")


@pytest.mark.parametrize(
    "change", [lambda p: p.pop("billing"), lambda p: p.update(root=True), lambda p: p.update(billing="yes please")]
)
def test_a_role_that_leaves_a_permission_open_stops_the_start(change) -> None:
    document = yaml.safe_load(roles._FILE.read_text())
    change(document["support"]["permissions"])
    with pytest.raises(Misconfigured, match="support"):
        roles.parse(document)


def test_a_role_and_single_permissions_add_up_from_the_next_request_on(acme, asha, cleo) -> None:
    client = signed_in(cleo)
    assert client.get("/people").status_code == 403
    view = actions.set_permissions(acting(asha), acme.customer_id, cleo.id, {P.TRAIL}, role="support")
    assert view.role.id == "support" and view.single == {P.TRAIL}
    assert (client.get("/people").status_code, client.get("/trail").status_code) == (200, 200)
    actions.set_permissions(acting(asha), acme.customer_id, cleo.id, [], role="")
    assert (client.get("/people").status_code, client.get("/trail").status_code) == (403, 403)


def test_changing_a_role_changes_what_its_holders_may_do_at_once(acme, asha, cleo) -> None:
    role = actions.create_role(acting(asha), acme.customer_id, title="Night shift", permissions=[P.USER_DATA])
    actions.set_permissions(acting(asha), acme.customer_id, cleo.id, [], role=role.id)
    client = signed_in(cleo)
    assert client.get("/people").status_code == 200
    actions.edit_role(acting(asha), acme.customer_id, role.id, title="Night shift", about="", permissions=[P.TRAIL])
    assert (client.get("/people").status_code, client.get("/trail").status_code) == (403, 200)
    told = [e.details for e in list_entries(acme, EntryFilter(tag="role:edit")).entries]
    assert told == [{"granted": ["trail"], "withdrawn": ["user-data"]}]


def test_whoever_has_a_role_is_told_when_it_changes_what_they_may_do(acme, asha, cleo) -> None:
    dora = hire(acme.customer_id, "Dora", {P.TRAIL})
    role = actions.create_role(acting(asha), acme.customer_id, title="Night shift", permissions=[P.USER_DATA])
    for teammate, single in ((cleo, set()), (dora, {P.TRAIL})):
        actions.set_permissions(acting(asha), acme.customer_id, teammate.id, single, role=role.id)
    NoticeRecord.objects.all().delete()
    for title, permissions, told in (
        ("Late shift", {P.USER_DATA}, set()),
        ("Late shift", {P.USER_DATA, P.TRAIL}, {cleo.email}),  # Dora had that already
        ("Late shift", {P.TRAIL}, {cleo.email, dora.email}),
    ):
        actions.edit_role(acting(asha), acme.customer_id, role.id, title=title, about="", permissions=permissions)
        assert set(NoticeRecord.objects.values_list("recipient", flat=True)) == told
        assert {*NoticeRecord.objects.values_list("kind", flat=True)} <= {Notice.PERMISSIONS_CHANGED}
        NoticeRecord.objects.all().delete()


def test_a_role_in_use_is_not_deleted_and_a_shipped_one_never_changes(acme, asha, cleo) -> None:
    role = actions.create_role(acting(asha), acme.customer_id, title="Night shift", permissions=[P.USER_DATA])
    actions.set_permissions(acting(asha), acme.customer_id, cleo.id, [], role=role.id)
    with pytest.raises(Conflict, match="teammate has this role"):
        actions.delete_role(acting(asha), acme.customer_id, role.id)
    actions.set_permissions(acting(asha), acme.customer_id, cleo.id, [], role="")
    actions.delete_role(acting(asha), acme.customer_id, role.id)
    with pytest.raises(NotFound):
        queries.get_role(acme.customer_id, role.id)
    for change in (
        lambda: actions.delete_role(acting(asha), acme.customer_id, "support"),
        lambda: actions.edit_role(acting(asha), acme.customer_id, "support", title="S", about="", permissions=[]),
    ):
        with pytest.raises(Conflict, match="comes with MiSentinel"):
            change()


@pytest.mark.parametrize("title", ["", "x" * 61, "a\x00b", "Owner", "owner", "SUPPORT"])
def test_a_role_needs_a_name_of_its_own(acme, asha, title) -> None:
    with pytest.raises((Invalid, Conflict)):
        actions.create_role(acting(asha), acme.customer_id, title=title, permissions=[])


def test_two_roles_of_one_name_are_refused(acme, asha) -> None:
    actions.create_role(acting(asha), acme.customer_id, title="Night shift", permissions=[])
    with pytest.raises(Conflict):
        actions.create_role(acting(asha), acme.customer_id, title="Night  shift", permissions=[])


def test_nobody_gains_through_a_role_what_its_giver_does_not_hold(acme, asha, cleo) -> None:
    ben = hire(acme.customer_id, "Ben", {P.TEAMMATES, P.TRAIL})
    full = actions.create_role(acting(asha), acme.customer_id, title="Everything", permissions=GRANTABLE)
    for attack in (
        lambda: actions.set_permissions(acting(ben), acme.customer_id, ben.id, [], role="owner"),
        lambda: actions.set_permissions(acting(ben), acme.customer_id, cleo.id, [], role=full.id),
        lambda: actions.create_role(acting(ben), acme.customer_id, title="Mine", permissions=[P.EXPORT]),
        lambda: actions.invite_teammate(
            acting(ben), acme.customer_id, email="b2@example.com", name="B", role="support"
        ),
        lambda: actions.grant_permission(
            acting(ben), acme.customer_id, ben.id, P.EXPORT, until=now() + timedelta(days=1), reason="want it"
        ),
    ):
        with pytest.raises(Refused):
            attack()
    mine = actions.create_role(acting(ben), acme.customer_id, title="Mine", permissions=[P.TRAIL])
    actions.set_permissions(acting(asha), acme.customer_id, ben.id, {P.TEAMMATES, P.TRAIL}, role=mine.id)
    with pytest.raises(Refused):
        actions.edit_role(acting(ben), acme.customer_id, mine.id, title="Mine", about="", permissions=[P.EXPORT])


def test_another_customers_role_is_no_role(acme, bolt, asha, cleo) -> None:
    mallory = hire(bolt.customer_id, "Mallory")
    role = actions.create_role(acting(mallory), bolt.customer_id, title="Bolts", permissions=GRANTABLE)
    for attack in (
        lambda: actions.set_permissions(acting(asha), acme.customer_id, cleo.id, [], role=role.id),
        lambda: actions.edit_role(acting(asha), acme.customer_id, role.id, title="Ours", about="", permissions=[]),
        lambda: actions.delete_role(acting(asha), acme.customer_id, role.id),
        lambda: queries.get_role(acme.customer_id, role.id),
        lambda: actions.set_permissions(acting(asha), acme.customer_id, cleo.id, [], role="no-such-role"),
    ):
        with pytest.raises(NotFound):
            attack()


def test_the_last_full_administrator_stays_however_it_is_tried(acme, asha) -> None:
    hire(acme.customer_id, "Ben", {P.TEAMMATES})
    dana = hire(acme.customer_id, "Dana", [])
    everything = actions.create_role(acting(asha), acme.customer_id, title="Everything", permissions=GRANTABLE)
    actions.set_permissions(acting(asha), acme.customer_id, asha.id, [], role=everything.id)
    actions.grant_permission(
        acting(asha), acme.customer_id, dana.id, P.TEAMMATES, until=now() + timedelta(days=1), reason="holiday"
    )
    less = GRANTABLE - {P.BILLING}
    for attack in (
        lambda: actions.set_permissions(acting(asha), acme.customer_id, asha.id, less, role=""),
        lambda: actions.set_permissions(acting(asha), acme.customer_id, asha.id, [], role="administrator"),
        lambda: actions.suspend_teammate(acting(asha), acme.customer_id, asha.id),
        lambda: actions.edit_role(
            acting(asha), acme.customer_id, everything.id, title="Everything", about="", permissions=less
        ),
    ):
        with pytest.raises(Conflict, match="last full administrator"):
            attack()
    actions.set_permissions(acting(asha), acme.customer_id, dana.id, [], role="owner")
    actions.suspend_teammate(acting(dana), acme.customer_id, asha.id)


def test_a_permission_for_a_time_counts_until_then_and_no_longer(acme, asha, cleo) -> None:
    until = now() + timedelta(hours=1)
    actions.grant_permission(acting(asha), acme.customer_id, cleo.id, P.TRAIL, until=until, reason="stands in")
    client = signed_in(cleo)
    assert client.get("/trail").status_code == 200
    with held(until - timedelta(seconds=1)):
        assert client.get("/trail").status_code == 200
    with held(until):
        assert client.get("/trail").status_code == 403
        assert queries.get_teammate(acme.customer_id, cleo.id).grants == ()
        end_expired_grants(system("test"))
        end_expired_grants(system("test"))
    told = list_entries(acme, EntryFilter(tag="teammate:grant_end")).entries
    assert [e.details["why"] for e in told] == ["expired"]


def test_a_permission_for_a_time_can_be_taken_away_before(acme, bolt, asha, cleo) -> None:
    until = now() + timedelta(hours=1)
    grant = actions.grant_permission(acting(asha), acme.customer_id, cleo.id, P.TRAIL, until=until, reason="stands in")
    client = signed_in(cleo)
    assert client.get("/trail").status_code == 200
    mallory = hire(bolt.customer_id, "Mallory")
    with pytest.raises(NotFound):
        actions.end_grant(acting(mallory), bolt.customer_id, cleo.id, grant)
    actions.end_grant(acting(asha), acme.customer_id, cleo.id, grant)
    assert client.get("/trail").status_code == 403
    with pytest.raises(NotFound):
        actions.end_grant(acting(asha), acme.customer_id, cleo.id, grant)


def test_what_is_held_for_a_time_cannot_be_made_to_last(acme, asha) -> None:
    ben = hire(acme.customer_id, "Ben", {P.TEAMMATES, P.APPS_AND_API})
    until = now() + timedelta(hours=1)
    actions.grant_permission(acting(asha), acme.customer_id, ben.id, P.EXPORT, until=until, reason="one file")
    from misentinel.teammates.contracts import CredentialKind

    for attack in (
        lambda: actions.set_permissions(acting(ben), acme.customer_id, ben.id, {P.TEAMMATES, P.APPS_AND_API, P.EXPORT}),
        lambda: actions.create_role(acting(ben), acme.customer_id, title="Mine", permissions=[P.EXPORT]),
        lambda: actions.create_credential(
            acting(ben), acme.customer_id, CredentialKind.API_TOKEN, name="t", permissions=[P.EXPORT]
        ),
        lambda: actions.invite_teammate(
            acting(ben), acme.customer_id, email="b3@example.com", name="B", permissions=[P.EXPORT]
        ),
    ):
        with pytest.raises(Refused):
            attack()


@pytest.mark.parametrize(
    ("days", "reason"), [(0, "why"), (-1, "why"), (91, "why"), (1, ""), (1, "   "), (1, "x" * 201), (1, "a\x00")]
)
def test_a_permission_for_a_time_needs_a_time_and_a_reason(acme, asha, cleo, days, reason) -> None:
    with pytest.raises(Invalid):
        actions.grant_permission(
            acting(asha), acme.customer_id, cleo.id, P.TRAIL, until=now() + timedelta(days=days), reason=reason
        )
    assert Grant.objects.filter(teammate=cleo).count() == 0


def test_what_is_held_already_is_not_granted_for_a_time(acme, asha) -> None:
    with pytest.raises(Conflict):
        actions.grant_permission(
            acting(asha), acme.customer_id, asha.id, P.TRAIL, until=now() + timedelta(days=1), reason="again"
        )
