"""Where a company has its people come in through its provider, no password lets them in, and nobody is locked out."""

from __future__ import annotations

import pytest

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, NotSignedIn, Refused
from misentinel.teammates import actions, passwords
from misentinel.teammates.actions import connecting
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.teammates.models import Connection, Teammate
from misentinel.teammates.queries.connections import list_connections
from tests.cast import browser, hire, signed_in
from tests.single_sign_on.steps import OPERATOR, connect_oidc, hire_at

PASSWORD = "seven purple otters hum"


@pytest.fixture(scope="module")
def digest(customers) -> str:
    """One argon2id digest for everybody here."""
    return passwords.digest(Teammate(customer_id=customers[0].customer_id, email="x@example.com", name="X"), PASSWORD)


@pytest.fixture
def people(acme, bolt, hostile, digest):
    hostile.behave()
    found = {
        "asha": hire_at(acme.customer_id, "asha@acme.example.com"),
        "ben": hire_at(acme.customer_id, "ben@acme.example.com", permissions=[Permission.REPORTS]),
        "guest": hire_at(bolt.customer_id, "guest@acme.example.com"),
    }
    for teammate in found.values():
        Teammate.objects.filter(id=teammate.id).update(password=digest)
    return found


@pytest.fixture
def connection(acme, hostile, people):
    made = connect_oidc(acme.customer_id, hostile.issuer, "acme.example.com")
    return connecting.enforce(OPERATOR, acme.customer_id, made.id, break_glass_id=people["asha"].id)


def sign_in(email: str, password: str = PASSWORD):
    return browser().post("/sign-in", {"email": email, "password": password}, secure=True)


def test_a_right_password_is_refused_and_everybody_of_the_domain_is_told_the_same(connection, people):
    told = set()
    for email, password in (
        (people["ben"].email, PASSWORD), (people["ben"].email, "wrong password here"),
        ("nobody@acme.example.com", PASSWORD), (people["asha"].email, "wrong password here"),
        (people["guest"].email, "wrong password here"),
    ):  # fmt: skip
        with pytest.raises(NotSignedIn) as refused:
            actions.check_password(OPERATOR, email, password)
        told.add(str(refused.value))
    assert len(told) == 1
    assert "Sign in with your company" in told.pop()
    page = sign_in(people["ben"].email)
    assert page.status_code == 422
    assert 'formaction="/sign-in/company"' in page.content.decode()


def test_the_one_who_can_repair_it_and_other_customers_people_still_come_in(connection, people):
    assert sign_in(people["asha"].email)["Location"] == "/sign-in/code"
    assert sign_in(people["guest"].email)["Location"] == "/sign-in/code", "another customer's connection binds nobody"
    hire(connection.customer_id, "Another")
    with pytest.raises(Conflict, match="repair"):
        actions.suspend_teammate(OPERATOR, connection.customer_id, people["asha"].id)


def test_before_it_is_enforced_both_ways_lead_in(acme, connection, people):
    connecting.stop_enforcing(OPERATOR, acme.customer_id, connection.id)
    assert sign_in(people["ben"].email)["Location"] == "/sign-in/code"


def test_only_what_was_tested_is_enforced_and_only_under_somebody_who_can_repair_it(acme, bolt, hostile, people):
    made = connect_oidc(acme.customer_id, hostile.issuer, "acme.example.com")
    for nobody in (people["ben"].id, people["guest"].id, hire(bolt.customer_id, "Mallory").id):
        with pytest.raises(Invalid):
            connecting.enforce(OPERATOR, acme.customer_id, made.id, break_glass_id=nobody)
    Connection.objects.update(tested_at=None)
    with pytest.raises(Conflict, match="Test"):
        connecting.enforce(OPERATOR, acme.customer_id, made.id, break_glass_id=people["asha"].id)


def test_what_is_enforced_cannot_change_and_what_changes_must_be_tested_again(acme, connection):
    change = {"name": "A", "domains": "acme.example.com", "client_id": "other", "issuer": connection.issuer}
    with pytest.raises(Conflict):
        connecting.edit_oidc(OPERATOR, acme.customer_id, connection.id, **change)
    connecting.stop_enforcing(OPERATOR, acme.customer_id, connection.id)
    assert connecting.edit_oidc(OPERATOR, acme.customer_id, connection.id, **change).tested_at is None


def test_nobody_gives_a_connection_more_than_they_hold_or_bends_one_that_may_give_more(acme, connection):
    connecting.stop_enforcing(OPERATOR, acme.customer_id, connection.id)
    keeper = hire(acme.customer_id, "Keeper", [Permission.SECURITY_SETTINGS])
    acting = Actor(ActorKind.TEAMMATE, str(keeper.id))
    settings = {"just_in_time": True, "default_permissions": (), "ceiling": {Permission.EXPORT}}
    with pytest.raises(Refused):
        connecting.set_joining(acting, acme.customer_id, connection.id, **settings)
    connecting.set_joining(OPERATOR, acme.customer_id, connection.id, **settings)
    change = {"name": "A", "domains": "acme.example.com", "client_id": "other", "issuer": connection.issuer}
    with pytest.raises(Refused, match="more than you hold"):
        connecting.edit_oidc(acting, acme.customer_id, connection.id, **change)
    with pytest.raises(Invalid, match="more than"):
        connecting.set_joining(
            OPERATOR, acme.customer_id, connection.id, just_in_time=True, default_permissions=GRANTABLE, ceiling=()
        )


def test_a_connection_and_its_secret_are_its_customers_alone(acme, bolt, connection):
    for attempt in (connecting.delete_connection, connecting.stop_enforcing):
        with pytest.raises(NotFound):
            attempt(OPERATOR, bolt.customer_id, connection.id)
    row = Connection.objects.get(id=connection.id)
    assert b"x" * 30 not in bytes(row.secret)
    assert connecting.secret_of(connection) == "x" * 30
    assert list_connections(bolt.customer_id) == []


@pytest.mark.parametrize("domains", ["", "gmail.com", "com", "acme", "a b", "-a.com", "x" * 64 + ".com", "a..b.com"])
def test_what_is_no_companys_domain_is_refused(acme, hostile, domains):
    hostile.behave()
    with pytest.raises(Invalid):
        connect_oidc(acme.customer_id, hostile.issuer, domains)
    assert Connection.objects.count() == 0


def test_domains_are_compared_in_one_form(acme, bolt, hostile):
    hostile.behave()
    made = connect_oidc(acme.customer_id, hostile.issuer, "@Acme.Example.COM, bücher.example")
    assert made.domains == ("acme.example.com", "xn--bcher-kva.example")
    with pytest.raises(Conflict):
        connect_oidc(bolt.customer_id, hostile.issuer, "BÜCHER.example")


def test_an_administrator_sets_it_up_page_by_page(acme, hostile):
    hostile.behave()
    asha = hire_at(acme.customer_id, "asha@acme.example.com")
    console = signed_in(asha)
    assert "No connection yet" in console.get("/settings/single-sign-on", secure=True).content.decode()
    for kind in ("google", "oidc", "saml"):
        assert console.get(f"/settings/single-sign-on/new/{kind}", secure=True).status_code == 200
    assert console.get("/settings/single-sign-on/new/ldap", secure=True).status_code == 404
    given = {"name": "Acme", "domains": "acme.example.com", "issuer": hostile.issuer, "client_id": "m", "secret": "s"}
    wrong = console.post("/settings/single-sign-on/new/oidc", {**given, "issuer": "https://10.1.2.3"}, secure=True)
    assert (wrong.status_code, Connection.objects.count()) == (422, 0)
    made = console.post("/settings/single-sign-on/new/oidc", given, secure=True)
    page = made["Location"]
    shown = console.get(page, secure=True).content.decode()
    assert f"/sign-in/company/{Connection.objects.get().id}/callback" in shown
    assert 'value="s"' not in shown
    refused = console.post(f"{page}/enforce", {"break_glass": str(asha.id)}, secure=True)
    assert refused.status_code == 409
    Connection.objects.update(tested_at=now())
    assert console.post(f"{page}/enforce", {"break_glass": str(asha.id)}, secure=True).status_code == 302
    assert "come in through the provider alone" in console.get(page, secure=True).content.decode()
    joining = {"just_in_time": "on", "default": ["reports"], "ceiling": ["reports", "export"]}
    assert console.post(f"{page}/joining", joining, secure=True).status_code == 302
    row = Connection.objects.get()
    assert (row.just_in_time, row.default_permissions, row.ceiling) == (True, ["reports"], ["export", "reports"])
    assert console.post(f"{page}/stop-enforcing", secure=True).status_code == 302
    assert console.post(page, {**given, "name": "Other", "secret": ""}, secure=True).status_code == 302
    assert Connection.objects.get().name == "Other"
    assert console.post(f"{page}/delete", secure=True).status_code == 302
    assert Connection.objects.count() == 0


def test_whoever_is_locked_out_themselves_is_nobodys_way_back_in(acme, hostile, people):
    made = connect_oidc(acme.customer_id, hostile.issuer, "acme.example.com")
    Connection.objects.filter(id=made.id).update(tested_at=now())
    spare = hire(acme.customer_id, "Spare")
    actions.suspend_teammate(OPERATOR, acme.customer_id, spare.id)
    with pytest.raises(Invalid, match="Name an enrolled teammate"):
        connecting.enforce(OPERATOR, acme.customer_id, made.id, break_glass_id=spare.id)
    actions.reinstate_teammate(OPERATOR, acme.customer_id, spare.id)
    assert connecting.enforce(OPERATOR, acme.customer_id, made.id, break_glass_id=spare.id).enforced


def test_nobody_opens_a_door_that_leads_further_than_they_go(acme, connection):
    keeper = hire(acme.customer_id, "Keeper", [Permission.SECURITY_SETTINGS])
    acting = Actor(ActorKind.TEAMMATE, str(keeper.id))
    settings = {"default_permissions": (), "ceiling": {Permission.EXPORT}}
    connecting.set_joining(OPERATOR, acme.customer_id, connection.id, just_in_time=False, **settings)
    with pytest.raises(Refused, match="more than you hold"):  # nothing is handed out anew, but more people get it
        connecting.set_joining(acting, acme.customer_id, connection.id, just_in_time=True, **settings)


def test_what_is_done_to_one_connection_is_done_to_no_other_and_to_none_of_another_kind(acme, hostile, connection):
    connecting.stop_enforcing(OPERATOR, acme.customer_id, connection.id)
    other = connect_oidc(acme.customer_id, hostile.issuer, "other.example.com")
    change = {"name": "Renamed", "domains": "other.example.com", "client_id": "x", "issuer": hostile.issuer}
    assert connecting.edit_oidc(OPERATOR, acme.customer_id, other.id, **change).id == other.id
    assert Connection.objects.get(id=connection.id).name == connection.name
    Connection.objects.filter(id=other.id).update(kind="saml")
    with pytest.raises(NotFound):
        connecting.edit_oidc(OPERATOR, acme.customer_id, other.id, **change)
    connecting.delete_connection(OPERATOR, acme.customer_id, other.id)
    assert [row.id for row in list_connections(acme.customer_id)] == [connection.id]
