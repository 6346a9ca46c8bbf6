"""Break-glass: two of the operator's staff, an hour, to look only; told to the customer, who ends it with one click."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest
from django.db import connection, transaction

from misentinel.kernel import clock
from misentinel.kernel.actor import Actor, ActorKind, operator
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, MiSentinelError, NotFound, Refused
from misentinel.teammates.actions import operator_access
from misentinel.teammates.contracts import EMERGENCY, Notice, Permission
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import NoticeRecord, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries import get_access, list_own_accesses
from misentinel.teammates.queries.operator_access import list_unconfirmed
from misentinel.teammates.queries.own_account import open_notice
from tests.cast import hire, join_staff, signed_in
from tests.permissions.operators import LOOKS, REASON, by, enter, told


def test_an_emergency_takes_two_opens_an_hour_and_is_on_the_customers_trail_with_both(acme, asha, olga) -> None:
    otto = join_staff("Otto")
    first, second = signed_in(olga), signed_in(otto)
    asked = first.post(f"/operator/customers/{acme.customer_id}/emergency", {"why": "Mail loops; nobody answers"})
    assert asked.url == "/operator"
    (access,) = list_own_accesses(olga.id)
    assert first.post(f"/operator/accesses/{access.id}/enter").status_code == 403
    assert first.post(f"/operator/accesses/{access.id}/confirm").status_code == 403  # not by herself
    assert get_access(acme.customer_id, access.id).state is AccessState.ASKED
    second.post(f"/operator/accesses/{access.id}/confirm")
    assert second.post(f"/operator/accesses/{access.id}/enter").status_code == 404
    enter(first, access.id)
    for permission, path in LOOKS.items():
        assert (first.get(path).status_code == 200) == (permission in EMERGENCY), path
    assert first.post("/segments/new", {"name": "Mine"}).status_code == 403
    steps = told(acme, tag="operator_access:break_glass")[::-1]
    assert [(e.actor_id, e.details["step"]) for e in steps] == [(str(olga.id), "asked"), (str(otto.id), "confirmed")]
    assert (steps[1].details["operator"], steps[1].details["second"]) == (str(olga.id), str(otto.id))
    with clock.held(now() + timedelta(minutes=60)):
        assert first.get("/people").status_code == 403


def test_the_customer_ends_an_emergency_with_one_click_and_declines_one_that_waits(acme, asha, olga) -> None:
    otto = join_staff("Otto")
    access = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    operator_access.confirm_emergency(by(otto), access)
    client = enter(signed_in(olga), access)
    signed_in(asha).post(f"/settings/operator-access/{access}/end")
    assert client.get("/people").status_code == 403
    waiting = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    signed_in(asha).post(f"/settings/operator-access/{waiting}/decline")
    with pytest.raises(Conflict):
        operator_access.confirm_emergency(by(otto), waiting)


def test_a_customer_cannot_be_tricked_into_giving_an_emergency_and_it_lapses_in_an_hour(acme, asha, olga) -> None:
    otto = join_staff("Otto")
    access = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    with pytest.raises(NotFound):
        operator_access.give_access(by(asha), acme.customer_id, access, permissions=[Permission.TRAIL], minutes=60)
    with clock.held(now() + timedelta(hours=1)), pytest.raises(Conflict):
        operator_access.confirm_emergency(by(otto), access)


@pytest.mark.parametrize("who", [ActorKind.TEAMMATE, ActorKind.SYSTEM, ActorKind.ANONYMOUS])
def test_nobody_but_the_staff_confirms_and_the_command_line_does_not_either(acme, asha, olga, who) -> None:
    access = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    for actor in (Actor(who, str(asha.id)), operator("root"), Actor(ActorKind.OPERATOR, str(asha.id))):
        with pytest.raises(Refused):
            operator_access.confirm_emergency(actor, access)


def test_of_two_confirmations_at_the_same_moment_one_counts(acme, asha, olga) -> None:
    access = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    staff, start, outcomes = [join_staff(name) for name in ("Otto", "Oona")], Barrier(2), []

    def confirm(who: Teammate) -> None:
        start.wait()
        try:
            operator_access.confirm_emergency(by(who), access)
            outcomes.append("confirmed")
        except MiSentinelError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [Thread(target=confirm, args=(who,)) for who in staff]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(outcomes) == ["confirmed", "conflict"]
    assert len([e for e in told(acme, tag="operator_access:break_glass") if e.details["step"] == "confirmed"]) == 1


def test_the_one_who_asked_and_was_suspended_gets_no_emergency(acme, asha, olga) -> None:
    access = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    operator_access.suspend_operator(operator("root"), olga.id)
    with pytest.raises(Conflict):
        operator_access.confirm_emergency(by(join_staff("Otto")), access)


def test_whoever_decides_is_told_by_e_mail_of_each_question_each_giving_and_each_emergency(acme, asha, olga) -> None:
    hire(acme.customer_id, "Ben", [Permission.USER_DATA])
    otto = join_staff("Otto")
    ask = {"reason": REASON, "permissions": [Permission.TRAIL], "minutes": 60}
    access = operator_access.ask_for_access(by(olga), acme.customer_id, **ask)
    operator_access.give_access(by(asha), acme.customer_id, access, permissions=[Permission.TRAIL], minutes=60)
    emergency = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    operator_access.confirm_emergency(by(otto), emergency)
    sent = NoticeRecord.objects.filter(teammate__customer_id=acme.customer_id).order_by("id")
    assert [(one.teammate_id, one.kind) for one in sent] == [
        (asha.id, Notice.OPERATOR_ASKS), (asha.id, Notice.OPERATOR_ENTERED), (asha.id, Notice.BREAK_GLASS)
    ]  # fmt: skip
    assert "Mail loops" in open_notice(sent[2])["text"]


def test_the_staff_get_notices_about_their_own_accounts_too(olga) -> None:
    with transaction.atomic():
        notify(olga, Notice.PASSWORD_CHANGED, address="192.0.2.7")
    (one,) = NoticeRecord.objects.filter(teammate=olga)
    assert "at the operator" in open_notice(one)["text"]


def test_lists_hold_ones_own_questions_and_what_waits_for_a_second_operator(acme, bolt, olga) -> None:
    otto = join_staff("Otto")
    hire(acme.customer_id, "Asha"), hire(bolt.customer_id, "Mallory")
    here = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    there = operator_access.ask_for_access(
        by(olga), bolt.customer_id, reason=REASON, permissions=[Permission.TRAIL], minutes=60
    )

    def waiting(who: Teammate) -> set[UUID]:
        return {view.id for view in list_unconfirmed(who.id)} & {here, there}

    assert {view.id for view in list_own_accesses(olga.id)} == {here, there}
    assert [view.id for view in list_own_accesses(olga.id, customer_id=bolt.customer_id)] == [there]
    assert list_own_accesses(otto.id) == []
    assert (waiting(olga), waiting(otto)) == (set(), {here})
    operator_access.confirm_emergency(by(otto), here)
    assert waiting(otto) == set()
    operator_access.withdraw_access(by(olga), here)
    again = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Mail loops; nobody answers")
    operator_access.withdraw_access(by(olga), again)
    assert again not in {view.id for view in list_unconfirmed(otto.id)}
