"""Inviting, permitting, suspending: what takes effect, and every way round it."""

from __future__ import annotations

import threading

import pytest
from django.db import connections, transaction

from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import in_future
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.kernel.ids import new_id
from misentinel.teammates import actions, queries
from misentinel.teammates.actions.inviting import held_by
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Teammate
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import get_entry, list_entries
from tests.cast import browser, hire, signed_in, start_session

TEAMMATES = frozenset({Permission.TEAMMATES})


@pytest.fixture
def asha(acme):
    return hire(acme.customer_id, "Asha")


@pytest.fixture
def ben(acme, asha):
    """Manages teammates and can do nothing else."""
    return hire(acme.customer_id, "Ben", TEAMMATES)


def acting(teammate: Teammate) -> Actor:
    return Actor(ActorKind.TEAMMATE, str(teammate.id), "session", "192.0.2.7", str(new_id()))


def test_an_invitation_is_on_the_trail_and_its_address_is_sealed(acme, asha) -> None:
    actions.invite_teammate(
        acting(asha), acme.customer_id, email="Cleo@Example.com", name="Cleo", permissions=[Permission.TRAIL]
    )
    entry = next(
        e for e in list_entries(acme, EntryFilter(tag="teammate:invite")).entries if e.actor_id == str(asha.id)
    )
    assert entry.details == {"permissions": ["trail"], "role": ""}
    assert get_entry(acme, entry.id).after == {"email": "cleo@example.com", "name": "Cleo"}


def test_a_withdrawn_permission_is_gone_with_the_next_request(acme, asha, ben) -> None:
    client = signed_in(ben)
    assert client.get("/teammates").status_code == 200
    actions.set_permissions(acting(asha), acme.customer_id, ben.id, [])
    assert client.get("/teammates").status_code == 403


def test_a_granted_permission_is_there_with_the_next_request(acme, asha) -> None:
    cleo = hire(acme.customer_id, "Cleo", [])
    client = signed_in(cleo)
    assert client.get("/teammates").status_code == 403
    actions.set_permissions(acting(asha), acme.customer_id, cleo.id, TEAMMATES)
    assert client.get("/teammates").status_code == 200


def test_a_suspension_holds_from_the_next_request_on_and_ends_links(acme, asha, ben) -> None:
    client = signed_in(ben)
    link = actions.renew_enrolment(acting(asha), acme.customer_id, ben.id)
    actions.suspend_teammate(acting(asha), acme.customer_id, ben.id)
    assert client.get("/account/sessions").status_code == 302
    actions.reinstate_teammate(acting(asha), acme.customer_id, ben.id)
    assert client.get("/account/sessions").status_code == 302, "what ended stays ended"
    assert queries.find_enrolment(link.path.removeprefix("/enrol/")) is None


def test_nobody_grants_what_they_do_not_hold(acme, ben) -> None:
    cleo = hire(acme.customer_id, "Cleo", [])
    with pytest.raises(Refused):
        actions.set_permissions(acting(ben), acme.customer_id, cleo.id, {Permission.EXPORT})
    with pytest.raises(Refused):
        actions.set_permissions(acting(ben), acme.customer_id, ben.id, GRANTABLE)
    with pytest.raises(Refused):
        actions.invite_teammate(
            acting(ben), acme.customer_id, email="dee@example.com", name="Dee", permissions={Permission.TRAIL}
        )
    assert not Teammate.objects.filter(email="dee@example.com").exists()
    assert queries.get_teammate(acme.customer_id, cleo.id).permissions == frozenset()


def test_nobody_takes_over_an_account_that_may_do_more(acme, asha, ben) -> None:
    """A fresh enrolment link is a way into the account: it would be a grant by the back door."""
    with pytest.raises(Refused):
        actions.renew_enrolment(acting(ben), acme.customer_id, asha.id)
    hire(acme.customer_id, "Dora")
    actions.suspend_teammate(acting(ben), acme.customer_id, asha.id)
    with pytest.raises(Refused):
        actions.reinstate_teammate(acting(ben), acme.customer_id, asha.id)


def test_the_permissions_form_cannot_withdraw_what_it_could_not_offer(acme, ben) -> None:
    cleo = hire(acme.customer_id, "Cleo", {Permission.EXPORT, Permission.TEAMMATES})
    assert signed_in(ben).post(f"/teammates/{cleo.id}", {"permissions": []}).status_code == 302
    assert queries.get_teammate(acme.customer_id, cleo.id).permissions == {Permission.EXPORT}


def test_a_forged_form_grants_nothing(acme, ben) -> None:
    cleo = hire(acme.customer_id, "Cleo", [])
    for permissions, status in ((["export"], 403), (["write-events"], 422), (["signed-in"], 422), (["root"], 422)):
        answer = signed_in(ben).post(f"/teammates/{cleo.id}", {"permissions": permissions})
        assert answer.status_code == status, permissions
    assert queries.get_teammate(acme.customer_id, cleo.id).permissions == frozenset()


def test_the_last_administrator_can_neither_be_demoted_nor_suspended(acme, asha) -> None:
    hire(acme.customer_id, "Cleo", GRANTABLE - TEAMMATES)
    actions.invite_teammate(
        system("test"), acme.customer_id, email=f"{new_id()}@example.com", name="Not there yet", permissions=TEAMMATES
    )
    for attempt in (
        lambda: actions.set_permissions(acting(asha), acme.customer_id, asha.id, GRANTABLE - TEAMMATES),
        lambda: actions.suspend_teammate(acting(asha), acme.customer_id, asha.id),
        lambda: actions.suspend_teammate(system("test"), acme.customer_id, asha.id),
    ):
        with pytest.raises(Conflict):
            attempt()
    answer = signed_in(asha).post(f"/teammates/{asha.id}/suspend")
    assert answer.status_code == 409
    assert "last full administrator" in answer.content.decode()


def test_two_administrators_cannot_remove_each_other_at_once(acme, asha, ben) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def suspend(actor: Teammate, target: Teammate) -> None:
        start.wait(timeout=10)
        try:
            actions.suspend_teammate(acting(actor), acme.customer_id, target.id)
            outcomes.append("done")
        except Conflict:
            outcomes.append("conflict")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=suspend, args=pair) for pair in ((asha, ben), (ben, asha))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["conflict", "done"]


def test_another_customers_teammate_cannot_be_touched(acme, bolt, asha) -> None:
    mallory = hire(bolt.customer_id, "Mallory")
    for attempt in (
        lambda: actions.set_permissions(acting(mallory), bolt.customer_id, asha.id, []),
        lambda: actions.suspend_teammate(acting(mallory), bolt.customer_id, asha.id),
        lambda: actions.renew_enrolment(acting(mallory), bolt.customer_id, asha.id),
        lambda: actions.revoke_sessions(acting(mallory), bolt.customer_id, asha.id),
    ):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(Refused):
        actions.set_permissions(acting(mallory), acme.customer_id, asha.id, [])


def test_an_address_is_one_teammates_only(acme, asha) -> None:
    with pytest.raises(Conflict):
        actions.invite_teammate(
            acting(asha), acme.customer_id, email=asha.email.upper(), name="Asha again", permissions=[]
        )
    with pytest.raises(Invalid):
        actions.invite_teammate(acting(asha), acme.customer_id, email="not an address", name="X", permissions=[])


def test_one_ends_ones_own_sessions_and_nobody_elses(asha, ben) -> None:
    here, there = signed_in(asha), start_session(asha)
    bens = start_session(ben)
    assert here.post(f"/account/sessions/{bens}/end").status_code == 404
    assert browser(bens).get("/account/sessions").status_code == 200
    assert here.post(f"/account/sessions/{there}/end").status_code == 302
    assert browser(there).get("/account/sessions").status_code == 302


def test_ending_all_others_keeps_the_one_in_hand(asha) -> None:
    here, others = signed_in(asha), [start_session(asha) for _ in range(3)]
    assert here.post("/account/sessions/end-others").status_code == 302
    assert here.get("/account/sessions").status_code == 200
    assert {browser(other).get("/account/sessions").status_code for other in others} == {302}


def test_a_form_from_another_site_is_refused_and_on_the_trail(acme, asha) -> None:
    client = signed_in(asha, enforce_csrf_checks=True)
    answer = client.post("/account/sessions/end-others")
    assert answer.status_code == 403
    (entry,) = list_entries(acme, EntryFilter(tag="access:refuse", request_id=answer["X-Request-Id"])).entries
    assert entry.details["error"] == "forgery"
    assert entry.actor_id == str(asha.id)


def test_whoever_hands_out_does_so_where_they_belong_and_while_they_belong(acme, bolt) -> None:
    """The same question from every kind of actor: what may they hand out here, now?"""
    ben = hire(acme.customer_id, "Ben", [Permission.TRAIL])
    made = actions.create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="Sync", permissions={Permission.REPORTS},
        expires_at=in_future(days=1),
    )  # fmt: skip
    teammate, token = Actor(ActorKind.TEAMMATE, str(ben.id)), Actor(ActorKind.API_TOKEN, str(made.view.id))
    with transaction.atomic():
        assert held_by(teammate, acme.customer_id) == {Permission.TRAIL}
        assert held_by(token, acme.customer_id) == {Permission.REPORTS}
        for actor in (teammate, token):
            with pytest.raises(Refused):
                held_by(actor, bolt.customer_id)
    other = Actor(ActorKind.API_TOKEN, str(new_id()))
    with pytest.raises(Refused):
        held_by(other, acme.customer_id)
    actions.revoke_credential(system("test"), acme.customer_id, made.view.id)
    hire(acme.customer_id, "Asha")
    actions.suspend_teammate(system("test"), acme.customer_id, ben.id)
    for actor in (teammate, token):
        with transaction.atomic(), pytest.raises(Refused):
            held_by(actor, acme.customer_id)
