"""SCIM 2.0 with a client and a conformance check that others wrote, against the whole program."""

from __future__ import annotations

import json
import uuid
from typing import Annotated, ClassVar

import pytest
from pydantic import Field
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_models import NotFoundException, Required, ScimProvider, Uniqueness
from scim2_tester import Status, check_server

from misentinel.kernel.clock import in_future, now
from misentinel.kernel.errors import Invalid, NotFound, Refused
from misentinel.site.wsgi import application
from misentinel.teammates import actions
from misentinel.teammates.actions.provisioning import map_group
from misentinel.teammates.contracts import CredentialKind, Notice, Permission
from misentinel.teammates.models import (
    Connection,
    ConnectionDomain,
    Credential,
    EmailChange,
    Enrolment,
    NoticeRecord,
    SessionRecord,
    Teammate,
)
from misentinel.teammates.queries.holding import held_now
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from misentinel.web.api.scim import resources
from tests.cast import browser, hire, signed_in
from tests.single_sign_on.steps import OPERATOR, hire_at

pytestmark = pytest.mark.strangers
BASE = "https://localhost:8443/scim/v2"
CEILING = ["manual-messages-edit", "reports"]


class User(resources.User):
    """What we announce, with addresses that the check can draw."""

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = Field(
        None, examples=[f"drawn.{uuid.uuid4().hex}@acme.example.com" for _ in range(500)]
    )


def connect(customer_id, domain: str) -> tuple[Connection, str]:
    row = Connection.objects.create(
        customer_id=customer_id, kind="saml", name="Directory", issuer="x", secret=b"", ceiling=CEILING
    )
    ConnectionDomain.objects.create(domain=domain, connection=row)
    made = actions.create_credential(
        OPERATOR, customer_id, CredentialKind.PROVISIONING_KEY, name="Directory", connection_id=row.id
    )
    return row, made.secret


@pytest.fixture
def connection(acme):
    Teammate.objects.filter(email__endswith="@acme.example.com").delete()
    return connect(acme.customer_id, "acme.example.com")


def client(key: str, **options) -> WSGISCIMClient:
    return WSGISCIMClient(
        application, base_url=BASE, headers={"Authorization": f"Bearer {key}"}, environ={"wsgi.url_scheme": "https"},
        **options,
    )  # fmt: skip


@pytest.fixture
def directory(connection) -> WSGISCIMClient:
    found = client(connection[1])
    found.discover()
    return found


class Raw:
    """Requests as a directory sends them, for what no good client would say."""

    key: ClassVar[str]

    def __init__(self, key: str) -> None:
        self.client = browser(HTTP_AUTHORIZATION=f"Bearer {key}")

    def __call__(self, method: str, path: str, body: object = None, status: int = 200) -> dict:
        content = b"" if body is None else json.dumps(body).encode()
        answer = self.client.generic(
            method, f"/scim/v2{path}", content, content_type="application/scim+json", secure=True
        )
        assert answer.status_code == status, answer.content.decode()
        if answer.content:
            assert answer["Content-Type"] == "application/scim+json"
        return json.loads(answer.content) if answer.content else {}


@pytest.fixture
def raw(connection) -> Raw:
    return Raw(connection[1])


def user(email: str, **more: object) -> dict:
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email, **more}


def group(name: str, *members: str) -> dict:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
        "members": [{"value": member} for member in members],
    }  # fmt: skip


def patch(*operations: dict) -> dict:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


ALWAYS_THERE = {  # A teammate is never without a name or a state: removed, both go back to what they are by default.
    f"check_remove_attribute: PATCH modify() did not remove attribute '{name}'" for name in ("displayName", "active")
}


def test_a_conformance_check_that_others_wrote_finds_nothing_but_what_a_teammate_always_has(connection):
    checked = client(connection[1], provider=ScimProvider(models=[User, resources.Group]))
    results = check_server(checked)
    wrong = [f"{one.title}: {one.reason}" for one in results if one.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert not set(wrong) - ALWAYS_THERE, "\n".join(wrong)
    assert sum(one.status is Status.SUCCESS for one in results) >= 25


def test_a_client_that_others_wrote_adds_finds_changes_and_deletes(acme, directory):
    kind = directory.get_resource_model("User")
    made = directory.create(kind(user_name="nadia@acme.example.com", display_name="Nadia", external_id="42"))
    teammate = Teammate.objects.get(id=made.id)
    assert (teammate.customer_id, teammate.email, teammate.permissions) == (acme.customer_id, made.user_name, [])
    assert directory.query(kind, made.id).display_name == "Nadia"
    made.display_name = "Nadia Sand"
    assert directory.replace(made).display_name == "Nadia Sand"
    directory.delete(kind, made.id)
    with pytest.raises(NotFoundException):
        directory.query(kind, made.id)
    teammate.refresh_from_db()
    assert teammate.suspended_at is not None
    again = directory.create(kind(user_name="nadia@acme.example.com", display_name="Nadia", external_id="43"))
    assert again.id == made.id, "whom it deleted comes back as who they were"
    tags = {entry.tag for entry in list_entries(acme, EntryFilter(actor_kind="provisioning")).entries}
    assert {"teammate:invite", "teammate:suspend", "teammate:reinstate", "scim:change"} <= tags


def test_whoever_is_suspended_is_out_within_the_request(acme, raw):
    hire(acme.customer_id, "Asha")
    nadia = hire_at(acme.customer_id, "nadia@acme.example.com", permissions=[Permission.REPORTS])
    console = signed_in(nadia)
    assert console.get("/", secure=True).status_code == 200
    off = patch({"op": "Replace", "path": "active", "value": False})
    assert raw("PATCH", f"/Users/{nadia.id}", off)["active"] is False
    assert console.get("/", secure=True).status_code == 302
    assert not SessionRecord.objects.filter(teammate=nadia, ended_at=None).exists()
    assert not Enrolment.objects.filter(teammate=nadia, ended_at=None).exists()
    assert raw("PATCH", f"/Users/{nadia.id}", patch({"op": "add", "value": {"active": True}}))["active"] is True


def test_filters_pages_and_chosen_attributes(raw):
    for number in range(3):
        raw(
            "POST",
            "/Users",
            user(f"u{number}@acme.example.com", displayName=f"U {number}", externalId=f"x{number}"),
            201,
        )
    for wanted, count in (
        ('userName eq "U1@acme.example.com"', 1), ('externalId eq "x2"', 1), ('displayName sw "U"', 3),
        ('active eq true and not (userName co "u0")', 2), ('userName eq "nobody@acme.example.com"', 0),
        ("externalId pr", 3),
    ):  # fmt: skip
        found = raw("GET", f"/Users?filter={wanted.replace(' ', '%20').replace(chr(34), '%22')}")
        assert found["totalResults"] == count, wanted
    page = raw("GET", "/Users?startIndex=2&count=1&attributes=userName")
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert set(page["Resources"][0]) == {"schemas", "id", "userName"}
    assert raw("GET", "/Users?filter=userName%20is%20x", status=400)["scimType"] == "invalidFilter"


def test_what_a_directory_sends_wrongly_is_told_in_its_own_words(raw):
    raw("POST", "/Users", user("one@acme.example.com"), 201)
    assert raw("POST", "/Users", user("ONE@acme.example.com"), 409)["scimType"] == "uniqueness"
    for body in (user("x@elsewhere.example.com"), user("no address"), {"schemas": []}, user("")):
        assert raw("POST", "/Users", body, 400)["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    raw("POST", "/Users", [], 400)
    raw("GET", f"/Users/{uuid.uuid4()}", status=404)
    raw("GET", "/Users/none-such", status=404)
    raw("POST", "/Groups", group("G", "none-such"), 400)
    raw("POST", "/Groups", group("G", str(uuid.uuid4())), 400)


def test_groups_give_the_role_that_an_administrator_chose_within_the_limit(acme, connection, raw):
    row = connection[0]
    writers = actions.create_role(OPERATOR, acme.customer_id, title="Writers", permissions=["manual-messages-edit"])
    one = raw("POST", "/Users", user("one@acme.example.com"), 201)["id"]
    made = raw("POST", "/Groups", group("Marketing", one), 201)
    assert made["members"][0]["value"] == one
    teammate = Teammate.objects.get(id=one)
    assert not held_now(teammate), "a group gives nothing until somebody says so"
    map_group(OPERATOR, acme.customer_id, row.id, uuid.UUID(made["id"]), writers.id)
    assert held_now(Teammate.objects.get(id=one)) == {Permission.MANUAL_MESSAGES_EDIT}
    assert raw("GET", f"/Users/{one}")["groups"][0]["display"] == "Marketing"
    gone = patch({"op": "remove", "path": f'members[value eq "{one}"]'})
    assert "members" not in raw("PATCH", f"/Groups/{made['id']}", gone)
    assert not held_now(Teammate.objects.get(id=one))
    back = patch({"op": "add", "path": "members", "value": [{"value": one}]})
    raw("PATCH", f"/Groups/{made['id']}", back)
    assert held_now(Teammate.objects.get(id=one)) == {Permission.MANUAL_MESSAGES_EDIT}
    raw("DELETE", f"/Groups/{made['id']}", status=204)
    assert not held_now(Teammate.objects.get(id=one))
    with pytest.raises(Invalid, match="more than the connection"):
        other = raw("POST", "/Groups", group("Owners", one), 201)
        map_group(OPERATOR, acme.customer_id, row.id, uuid.UUID(other["id"]), "owner")


def test_a_directory_gives_nobody_more_than_its_limit(acme, connection, raw):
    """Not by a role that grew, not by bringing somebody back, not by taking over an address."""
    row = connection[0]
    asha, ben = hire_at(acme.customer_id, "asha@acme.example.com"), hire(acme.customer_id, "Ben")
    assert ben.email.endswith("@example.com")
    role = actions.create_role(OPERATOR, acme.customer_id, title="Growing", permissions=["reports"])
    made = raw("POST", "/Groups", group("Growing"), 201)
    map_group(OPERATOR, acme.customer_id, row.id, uuid.UUID(made["id"]), role.id)
    actions.edit_role(
        OPERATOR, acme.customer_id, role.id, title="Growing", about="", permissions=["reports", "teammates"]
    )
    one = raw("POST", "/Users", user("one@acme.example.com"), 201)["id"]
    raw("PUT", f"/Groups/{made['id']}", group("Growing", one), 403)
    assert not held_now(Teammate.objects.get(id=one))
    assert raw("GET", f"/Groups/{made['id']}").get("members") is None
    takeover = patch({"op": "replace", "path": "userName", "value": "mine@acme.example.com"})
    raw("PATCH", f"/Users/{asha.id}", takeover, 403)
    raw("DELETE", f"/Users/{asha.id}", status=204)
    raw("POST", "/Users", user("asha@acme.example.com"), 403)
    asha.refresh_from_db()
    assert (asha.email, asha.suspended_at is None) == ("asha@acme.example.com", False)


def test_both_addresses_are_told_when_a_directory_changes_one(acme, connection, raw):
    """And no link that was sent to an earlier address takes back what the directory says."""
    asha = hire_at(acme.customer_id, "asha@acme.example.com")
    Teammate.objects.filter(id=asha.id).update(permissions=CEILING)
    undo = EmailChange.objects.create(
        teammate=asha, before="asha@old.example.com", after=asha.email, confirm_digest=b"c", undo_digest=b"u",
        asked_at=now(), confirmed_at=now(), expires_at=in_future(days=7),
    )  # fmt: skip
    NoticeRecord.objects.all().delete()
    raw("PATCH", f"/Users/{asha.id}", patch({"op": "replace", "path": "userName", "value": "rao@acme.example.com"}))
    assert {*NoticeRecord.objects.values_list("kind", "recipient")} == {
        (Notice.EMAIL_DIRECTORY, "asha@acme.example.com"), (Notice.EMAIL_SET, "rao@acme.example.com"),
    }  # fmt: skip
    undo.refresh_from_db()
    assert undo.ended_at is not None


def test_the_last_full_administrator_and_the_one_who_can_repair_it_stay(acme, connection, raw):
    Teammate.objects.filter(customer_id=acme.customer_id).delete()
    asha = hire_at(acme.customer_id, "asha@acme.example.com")
    off = patch({"op": "replace", "path": "active", "value": False})
    assert "last full administrator" in raw("PATCH", f"/Users/{asha.id}", off, 409)["detail"]
    raw("DELETE", f"/Users/{asha.id}", status=409)
    hire(acme.customer_id, "Other")
    Connection.objects.filter(id=connection[0].id).update(break_glass=asha)
    assert "repair" in raw("DELETE", f"/Users/{asha.id}", status=409)["detail"]
    asha.refresh_from_db()
    assert asha.suspended_at is None
    Connection.objects.update(break_glass=None)


def test_a_key_reaches_its_own_customers_people_in_its_own_domains_alone(acme, bolt, raw):
    mallory = hire_at(bolt.customer_id, "mallory@acme.example.com")
    outside = hire(acme.customer_id, "Outside")
    _, theirs = connect(bolt.customer_id, "bolt.example.com")
    for stranger in (mallory, outside):
        for method, body in (("GET", None), ("PUT", user(stranger.email)), ("DELETE", None)):
            raw(method, f"/Users/{stranger.id}", body, 404)
        raw("POST", "/Groups", group("Mixed", str(stranger.id)), 400)
    assert raw("GET", "/Users")["totalResults"] == len(
        Teammate.objects.filter(customer_id=acme.customer_id, email__endswith="@acme.example.com", suspended_at=None)
    )
    raw("POST", "/Users", user("mallory@acme.example.com"), 409)
    mine = raw("POST", "/Groups", group("Mine"), 201)["id"]
    for method in ("GET", "DELETE"):
        Raw(theirs)(method, f"/Groups/{mine}", status=404)


def test_a_provisioning_key_opens_nothing_else_and_nothing_else_opens_scim(acme, connection, raw):
    key = browser(HTTP_AUTHORIZATION=f"Bearer {connection[1]}")
    assert connection[1].startswith("msp_")
    assert key.get("/api/people", secure=True).status_code == 403
    assert key.post("/v1/track", {}, secure=True, content_type="application/json").status_code == 403
    token = actions.create_credential(
        OPERATOR, acme.customer_id, CredentialKind.API_TOKEN, name="All", permissions=[Permission.TEAMMATES]
    )
    Raw(token.secret)("GET", "/Users", status=403)
    Raw("msp_none-such")("GET", "/Users", status=401)
    keeper = hire(acme.customer_id, "Keeper", [Permission.SECURITY_SETTINGS])
    from misentinel.kernel.actor import Actor, ActorKind

    with pytest.raises(Refused):
        actions.create_credential(
            Actor(ActorKind.TEAMMATE, str(keeper.id)), acme.customer_id, CredentialKind.PROVISIONING_KEY, name="Mine",
            connection_id=connection[0].id,
        )  # fmt: skip


def test_an_administrator_makes_a_key_and_maps_a_group_in_the_console(acme, connection, raw):
    page = f"/settings/single-sign-on/{connection[0].id}"
    console = signed_in(hire(acme.customer_id, "Asha"))
    made = raw("POST", "/Groups", group("Readers"), 201)["id"]
    shown = console.get(page, secure=True).content.decode()
    assert "Readers" in shown
    assert BASE in shown
    assert "msp_" in console.post(f"{page}/key", secure=True).content.decode()
    role = actions.create_role(OPERATOR, acme.customer_id, title="Readers", permissions=["reports"])
    assert console.post(f"{page}/groups/{made}", {"role": role.id}, secure=True).status_code == 302
    assert console.post(f"{page}/groups/{made}", {"role": "owner"}, secure=True).status_code == 422
    key_id = connection[0].keys.earliest("created_at").id
    assert console.post(f"{page}/keys/{key_id}/revoke", secure=True).status_code == 302
    raw("GET", "/Users", status=401)


def test_a_key_is_made_for_the_connection_that_was_named_and_for_no_neighbours(acme, bolt, connection):
    theirs, _ = connect(bolt.customer_id, "neighbour.example.com")
    other, _ = connect(acme.customer_id, "second.example.com")

    def make(connection_id):
        return actions.create_credential(
            OPERATOR, acme.customer_id, CredentialKind.PROVISIONING_KEY, name="Directory", connection_id=connection_id,
            expires_at=in_future(days=1),
        )  # fmt: skip

    for named in (connection[0], other):
        assert Credential.objects.get(id=make(named.id).view.id).connection_id == named.id
    with pytest.raises(NotFound):
        make(theirs.id)
