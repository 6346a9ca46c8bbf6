"""The operator's staff see nothing of a customer that it did not let them see: attacks through the whole stack.

Olga and Otto are the operator's staff. Asha of Acme decides there, Mallory at Bolt.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from misentinel.kernel import clock
from misentinel.kernel.actor import operator
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Refused
from misentinel.kernel.ids import new_id
from misentinel.teammates import actions
from misentinel.teammates.actions import operator_access
from misentinel.teammates.contracts import GRANTABLE, LETTABLE, CredentialKind, Permission
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import Access, SessionRecord
from misentinel.teammates.queries import get_access, list_own_accesses
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import get_entry, list_platform_entries
from tests.cast import browser, hire, join_staff, let_in, signed_in, start_session
from tests.permissions.operators import LOOKS, REASON, by, enter, told

# Without access


def test_an_operator_whom_nobody_let_in_sees_names_and_nothing_else(acme, asha, olga) -> None:
    client = signed_in(olga)
    assert client.get("/").url == "/operator"
    page = client.get("/operator")
    assert page.status_code == 200
    for path in (*LOOKS.values(), "/teammates", "/settings/keys", "/messages", "/settings/operator-access"):
        refused = client.get(path)
        assert refused.status_code == 403, path
        assert b"No customer has let you in" in refused.content
    assert told(acme, actor_id=str(olga.id)) == []
    refusals = list_platform_entries(EntryFilter(actor_id=str(olga.id), outcome="refused")).entries
    assert len(refusals) == 7


def test_teammates_and_keys_never_open_the_operators_pages(asha) -> None:
    client = signed_in(asha)
    for method, path in (("GET", "/operator"), ("POST", f"/operator/customers/{asha.customer_id}"),
                         ("POST", f"/operator/accesses/{new_id()}/confirm"), ("POST", "/operator/leave")):  # fmt: skip
        assert client.generic(method, path).status_code == 403, path


def test_asking_opens_nothing_and_is_on_the_customers_trail_with_its_reason(acme, asha, olga) -> None:
    client = signed_in(olga)
    asked = client.post(
        f"/operator/customers/{acme.customer_id}", {"reason": REASON, "minutes": "60", "permissions": ["user-data"]}
    )
    assert asked.url == "/operator"
    (access,) = list_own_accesses(olga.id)
    assert access.state is AccessState.ASKED
    assert b"To look only" in signed_in(asha).get("/settings/operator-access").content
    refused = client.post(f"/operator/accesses/{access.id}/enter")
    assert refused.status_code == 403
    assert client.get("/people").status_code == 403
    (entry,) = told(acme, tag="operator_access:ask")
    assert (entry.actor_kind, entry.actor_id) == ("operator", str(olga.id))
    assert entry.details["permissions"] == ["user-data"]
    assert get_entry(acme, entry.id).after == {"reason": REASON}


@pytest.mark.parametrize("permission", sorted(GRANTABLE - LETTABLE))
def test_nobody_can_ask_for_what_would_outlast_an_access(acme, olga, permission: Permission) -> None:
    terms = {"reason": REASON, "minutes": "60", "permissions": [permission.value]}
    assert signed_in(olga).post(f"/operator/customers/{acme.customer_id}", terms).status_code == 422
    assert list_own_accesses(olga.id) == []


@pytest.mark.parametrize("bad", [{"reason": "because"}, {"minutes": "1441"}, {"permissions": []}])
def test_a_question_has_a_reason_a_scope_and_an_end_within_a_day(acme, olga, bad) -> None:
    terms = {"reason": REASON, "minutes": "60", "permissions": ["trail"], **bad}
    assert signed_in(olga).post(f"/operator/customers/{acme.customer_id}", terms).status_code == 422
    assert list_own_accesses(olga.id) == []


# With access


def test_every_look_is_on_the_customers_trail_under_the_access_with_entering_and_leaving(acme, asha, olga) -> None:
    access = let_in(olga, asha)
    client = enter(signed_in(olga), access)
    assert client.get("/").status_code == 200
    for path in LOOKS.values():
        assert client.get(path).status_code == 200
    assert client.get("/teammates").status_code == 403
    client.post("/operator/leave")
    story = told(acme, access=str(access))[::-1]
    assert [(e.tag, e.outcome) for e in story] == [
        ("operator_access:give", "done"), ("operator_access:enter", "done"), ("overview:view", "done"),
        ("person:list", "done"), ("trail:list", "done"), ("settings:view", "done"), ("access:refuse", "refused"),
        ("operator_access:leave", "done"),
    ]  # fmt: skip
    assert {(e.actor_kind, e.actor_id) for e in story[1:]} == {("operator", str(olga.id))}
    assert {e.details["access"] for e in story} == {str(access)}
    assert client.get("/people").status_code == 403
    shown = signed_in(asha).get("/trail", {"access": str(access)}).content.decode()
    assert shown.count("Olga (operator)") == 7


def test_an_access_opens_its_scope_and_nothing_beside_it(acme, asha, olga) -> None:
    client = enter(signed_in(olga), let_in(olga, asha, {Permission.TRAIL}))
    assert client.get("/trail").status_code == 200
    for path in ("/people", "/settings", "/teammates", "/settings/keys", "/settings/operator-access"):
        assert client.get(path).status_code == 403, path


def test_one_who_was_let_in_to_look_changes_nothing(acme, asha, olga) -> None:
    client = enter(signed_in(olga), let_in(olga, asha, looks_only=True))
    assert client.get("/settings").status_code == 200
    changed = client.post("/settings", {"name": "Taken", "time_zone": "Europe/London"})
    assert changed.status_code == 403
    assert b"to look, not to change" in changed.content
    assert b"Taken" not in client.get("/settings").content
    assert client.post("/sign-out").url == "/sign-in"


def test_the_same_change_goes_through_where_changing_was_given(acme, asha, olga) -> None:
    client = enter(signed_in(olga), let_in(olga, asha))
    assert client.post("/settings", {"name": "Acme 2", "time_zone": "Europe/London"}).status_code == 302
    (entry,) = told(acme, tag="customer:edit")
    assert (entry.actor_kind, entry.actor_id) == ("operator", str(olga.id))


def test_one_click_ends_it_from_the_very_next_request(acme, asha, olga) -> None:
    access = let_in(olga, asha)
    client = enter(signed_in(olga), access)
    assert client.get("/people").status_code == 200
    signed_in(asha).post(f"/settings/operator-access/{access}/end")
    refused = client.get("/people")
    assert refused.status_code == 403
    assert b"Acme" not in refused.content
    assert client.get("/").url == "/operator"
    tries = [e for e in told(acme, access=str(access)) if e.outcome == "refused"]
    assert [(e.actor_id, e.details["why"]) for e in tries] == [(str(olga.id), "access_over")]
    assert client.post(f"/operator/accesses/{access}/enter").status_code == 403


def test_an_expired_access_opens_nothing_and_its_end_is_written_down(acme, asha, olga) -> None:
    access = let_in(olga, asha, minutes=60)
    client = enter(signed_in(olga), access)
    with clock.held(now() + timedelta(minutes=59)):
        assert client.get("/people").status_code == 200
    with clock.held(now() + timedelta(minutes=60)):
        assert client.get("/people").status_code == 403
        assert client.post(f"/operator/accesses/{access}/enter").status_code == 403
        operator_access.end_what_is_over()
    (end,) = told(acme, tag="operator_access:end")
    assert (end.actor_kind, end.details["why"]) == ("system", "expired")
    assert get_access(acme.customer_id, access).state is AccessState.EXPIRED


def test_access_to_bolt_opens_nothing_at_acme(acme, bolt, asha, olga) -> None:
    mallory = hire(bolt.customer_id, "Mallory")
    client = enter(signed_in(olga), let_in(olga, mallory))
    assert client.get("/settings").content.count(b"Bolt") > 0
    person = new_id()
    assert client.get(f"/people/{person}").status_code == 404
    acmes = told(acme, actor_id=str(olga.id))
    assert acmes == []
    assert signed_in(asha).post(f"/settings/operator-access/{list_own_accesses(olga.id)[0].id}/end").status_code == 404
    assert client.get("/people").status_code == 200


def test_an_access_belongs_to_one_operator(acme, asha, olga) -> None:
    otto = join_staff("Otto")
    access = let_in(olga, asha)
    client = signed_in(otto)
    assert client.post(f"/operator/accesses/{access}/enter").status_code == 404
    assert client.post(f"/operator/accesses/{access}/withdraw").status_code == 404
    session = start_session(otto)
    SessionRecord.objects.filter(id=session).update(inside_id=access)  # as if the row itself had been forged
    assert browser(session).get("/people").status_code == 403


def test_what_a_browser_says_of_an_access_counts_for_nothing(acme, asha, olga) -> None:
    access = let_in(olga, asha)
    client = signed_in(olga)
    session = client.session
    session["inside"] = session["access"] = str(access)
    session.save()
    client.cookies["access"] = str(access)
    assert client.get("/people", {"access": str(access)}, headers={"X-Access": str(access)}).status_code == 403


def test_an_operator_suspended_while_inside_is_out_and_all_their_access_ends(acme, asha, olga) -> None:
    access = let_in(olga, asha)
    client = enter(signed_in(olga), access)
    assert operator_access.suspend_operator(operator("root"), olga.id) == 1
    assert client.get("/people").url.startswith("/sign-in")
    assert get_access(acme.customer_id, access).state is AccessState.WITHDRAWN
    operator_access.reinstate_operator(operator("root"), olga.id)
    assert signed_in(olga).post(f"/operator/accesses/{access}/enter").status_code == 403


# Who decides


def test_a_customer_gives_less_than_was_asked_and_never_more(acme, asha, olga) -> None:
    wanted = {Permission.TRAIL, Permission.USER_DATA}
    access = operator_access.ask_for_access(
        by(olga), acme.customer_id, reason=REASON, permissions=wanted, minutes=240, looks_only=True
    )
    client = signed_in(asha)
    for more in ({"permissions": ["trail", "reports"]}, {"minutes": "480"}, {"changes": "on"}, {"permissions": []}):
        client.post(f"/settings/operator-access/{access}/give", {"permissions": ["trail"], "minutes": "60", **more})
        assert get_access(acme.customer_id, access).state is AccessState.ASKED, more
    client.post(f"/settings/operator-access/{access}/give", {"permissions": ["trail"], "minutes": "60"})
    given = get_access(acme.customer_id, access)
    assert (given.state, given.permissions, given.minutes) == (AccessState.LIVE, {Permission.TRAIL}, 60)


def test_nobody_enters_after_a_no_and_a_no_cannot_be_turned_into_a_yes(acme, asha, olga) -> None:
    access = operator_access.ask_for_access(
        by(olga), acme.customer_id, reason=REASON, permissions=[Permission.TRAIL], minutes=60
    )
    client = signed_in(asha)
    client.post(f"/settings/operator-access/{access}/decline")
    assert signed_in(olga).post(f"/operator/accesses/{access}/enter").status_code == 403
    client.post(f"/settings/operator-access/{access}/give", {"permissions": ["trail"], "minutes": "60"})
    assert get_access(acme.customer_id, access).state is AccessState.DECLINED


def test_only_a_teammate_of_the_customer_who_may_and_holds_it_gives_access(acme, bolt, asha, olga) -> None:
    access = operator_access.ask_for_access(
        by(olga), acme.customer_id, reason=REASON, permissions=[Permission.USER_DATA], minutes=60
    )
    mallory = hire(bolt.customer_id, "Mallory")
    ben = hire(acme.customer_id, "Ben", [Permission.USER_DATA])
    cleo = hire(acme.customer_id, "Cleo", [Permission.SECURITY_SETTINGS])
    terms = {"permissions": ["user-data"], "minutes": "60"}
    refused = {mallory: 404, ben: 403, cleo: 403, olga: 403}
    for who, status in refused.items():
        assert signed_in(who).post(f"/settings/operator-access/{access}/give", terms).status_code == status, who.name
    assert get_access(acme.customer_id, access).state is AccessState.ASKED


def test_one_who_is_inside_gives_nothing_to_anybody(acme, asha, olga) -> None:
    otto = join_staff("Otto")
    client = enter(signed_in(olga), let_in(olga, asha))
    terms = {"operator": str(otto.id), "reason": REASON, "minutes": "60", "permissions": ["trail"]}
    assert client.post("/settings/operator-access", terms).status_code == 403
    assert client.post("/teammates/invite", {"email": "new@example.com", "name": "New"}).status_code == 403
    assert client.post("/settings/keys", {"name": "Key", "kind": "write_key"}).status_code == 403
    for attempt in (
        lambda: operator_access.give_unasked(
            by(olga), acme.customer_id, otto.id, reason=REASON, permissions=[Permission.TRAIL], minutes=60
        ),
        lambda: actions.invite_teammate(
            by(olga), acme.customer_id, email="new@example.com", name="New", permissions=[Permission.TRAIL]
        ),
        lambda: actions.set_permissions(by(olga), acme.customer_id, asha.id, GRANTABLE),
        lambda: actions.renew_enrolment(by(olga), acme.customer_id, asha.id),
        lambda: actions.create_credential(by(olga), acme.customer_id, CredentialKind.WRITE_KEY, name="Key"),
    ):
        with pytest.raises(Refused):
            attempt()


def test_the_table_itself_refuses_access_that_somebody_gave_themselves(acme, asha, olga) -> None:
    access = let_in(olga, asha)
    with pytest.raises(IntegrityError), transaction.atomic():
        Access.objects.filter(id=access).update(given_by=olga.id)


def test_every_control_of_this_page_is_refused_for_another_customers_access(acme, bolt, asha, olga) -> None:
    mallory = hire(bolt.customer_id, "Mallory")
    access = let_in(olga, asha)
    client = signed_in(mallory)
    for word in ("give", "decline", "end"):
        assert client.post(f"/settings/operator-access/{access}/{word}", {"minutes": "60"}).status_code == 404
    assert get_access(acme.customer_id, access).state is AccessState.LIVE


def test_what_is_over_cannot_be_taken_back_once_more(acme, asha, olga) -> None:
    actor = by(olga)
    access = operator_access.ask_for_access(
        actor, acme.customer_id, reason=REASON, permissions=[Permission.TRAIL], minutes=60
    )
    operator_access.withdraw_access(actor, access)
    assert get_access(acme.customer_id, access).state is AccessState.WITHDRAWN
    with pytest.raises(Conflict, match="over already"):
        operator_access.withdraw_access(actor, access)
