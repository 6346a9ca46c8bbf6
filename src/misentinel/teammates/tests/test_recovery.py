"""A teammate without any factor gets a new one: only with two people, a waiting time, and the owner told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connections
from django.test import Client

from misentinel.kernel import settings
from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import held, now
from misentinel.kernel.errors import Misconfigured, MiSentinelError, Refused
from misentinel.teammates import actions, queries, second_factor
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.teammates.models import Enrolment, NoticeRecord, RecoveryRequest, SignInFailure, Teammate
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, code_for, hire, signed_in, start_session

PASSWORD = "seven quiet otters by the weir"
DAY = timedelta(hours=24)


@pytest.fixture(scope="module")
def acme() -> Iterator[object]:
    from conftest import _customer

    yield from _customer("Acme")


@pytest.fixture(scope="module")
def digest() -> str:
    return make_password(PASSWORD)


@pytest.fixture
def ben(acme, digest: str) -> Teammate:
    """Has lost his phone."""
    SignInFailure.objects.all().delete()
    teammate = hire(acme.customer_id, "Ben", [Permission.USER_DATA])
    teammate.password = digest
    teammate.save()
    return teammate


def acting(teammate: Teammate) -> Actor:
    return Actor(ActorKind.TEAMMATE, str(teammate.id), "session", "192.0.2.7", "request")


@pytest.fixture
def asha(acme) -> Teammate:
    return hire(acme.customer_id, "Asha")


def ask(teammate: Teammate) -> str:
    """Returns the path of the asker's link."""
    client = browser()
    assert client.post("/sign-in", {"email": teammate.email, "password": PASSWORD}).url == "/sign-in/code"
    assert client.get("/sign-in/recovery").status_code == 200
    page = client.post("/sign-in/recovery").content.decode()
    return re.search(r'value="https://[^/"]+(/recover/[\w-]+)"', page)[1]


def decide(approver: Teammate, teammate: Teammate, how: str = "approve") -> int:
    return signed_in(approver).post(f"/teammates/{teammate.id}/recovery/{how}").status_code


def opens(path: str, password: str = PASSWORD) -> tuple[int, Client]:
    client = browser()
    return client.post(path, {"password": password}).status_code, client


def stop_link(teammate: Teammate) -> str:
    from misentinel.teammates.actions.recovering import stop_path

    return stop_path(RecoveryRequest.objects.filter(teammate=teammate).latest("asked_at").id)


def test_two_people_and_a_day_lead_to_a_new_factor(acme, asha, ben) -> None:
    older = signed_in(hire(acme.customer_id, "Bystander", []))
    path = ask(ben)
    assert opens(path)[0] == 422, "nobody has approved it"
    page = signed_in(asha).get(f"/teammates/{ben.id}").content.decode()
    assert "asks for a new second factor" in page
    assert path not in page, "whoever approves never sees the link"
    assert decide(asha, ben) == 302
    approved = now()
    with held(approved + DAY - timedelta(seconds=30)):
        assert opens(path)[0] == 422, "the day is not over"
    with held(approved + DAY + timedelta(seconds=30)):
        assert opens(path, "not the password at all")[0] == 422
        status, client = opens(path)
        assert status == 302
        page = client.get("/enrolment/authenticator").content.decode()
        seed = re.search(r'id="seed"[^>]*>([A-Z2-7 ]+)<', page)[1].replace(" ", "")
        done = client.post("/enrolment/authenticator", {"code": code_for(seed)})
        assert done.status_code == 200, done.content.decode()
        assert client.get("/account/sessions").status_code == 200
        assert opens(path)[0] == 404, "once"
        entered = browser()
        assert entered.post("/sign-in", {"email": ben.email, "password": PASSWORD}).url == "/sign-in/code"
    assert older.get("/account/sessions").status_code == 200
    told = {entry.tag for entry in list_entries(acme, EntryFilter(object_id=str(ben.id))).entries}
    assert {"recovery:ask", "recovery:approve", "recovery:complete", "factor:enrol"} <= told
    kinds = set(NoticeRecord.objects.filter(teammate=ben).values_list("kind", flat=True))
    assert {"recovery_asked", "recovery_approved", "factor_added"} <= kinds
    to_asha = set(NoticeRecord.objects.filter(teammate=asha).values_list("kind", flat=True))
    assert {"recovery_waits", "recovery_given"} <= to_asha


def test_only_one_who_knows_the_password_can_ask(ben) -> None:
    assert browser().post("/sign-in/recovery").url == "/sign-in"
    assert not RecoveryRequest.objects.filter(teammate=ben).exists()


def test_nobody_approves_their_own_request(acme, asha) -> None:
    asha.password = make_password(PASSWORD)
    asha.save()
    ask(asha)
    client = browser()
    own = Actor(ActorKind.TEAMMATE, str(asha.id))
    with pytest.raises(Refused, match="Somebody else"):
        actions.approve_recovery(own, acme.customer_id, asha.id)
    assert client.get(f"/teammates/{asha.id}").status_code == 302
    assert RecoveryRequest.objects.get(teammate=asha).opens_at is None


@pytest.mark.parametrize("kind", [ActorKind.OPERATOR, ActorKind.SYSTEM, ActorKind.API_TOKEN])
def test_a_second_teammate_decides_and_nobody_else(acme, ben, kind: ActorKind) -> None:
    ask(ben)
    with pytest.raises(Refused):
        actions.approve_recovery(Actor(kind, "somebody"), acme.customer_id, ben.id)


def test_an_approver_must_reach_the_account(acme, asha) -> None:
    """Or a helper with one permission would hand themselves an owner's account."""
    asha.password = make_password(PASSWORD)
    asha.save()
    ask(asha)
    helper = hire(acme.customer_id, "Helper", [Permission.TEAMMATES])
    assert decide(helper, asha) == 403
    assert decide(hire(acme.customer_id, "Clerk", GRANTABLE - {Permission.TEAMMATES}), asha) == 403


def test_a_neighbours_administrator_finds_nothing(bolt, ben) -> None:
    ask(ben)
    assert decide(hire(bolt.customer_id, "Mallory"), ben) == 404


def test_an_approval_falls_with_whoever_gave_it(acme, asha, ben) -> None:
    path = ask(ben)
    hire(acme.customer_id, "Owner")
    decide(asha, ben)
    actions.suspend_teammate(system("test"), acme.customer_id, asha.id)
    with held(now() + DAY + timedelta(minutes=1)):
        assert opens(path)[0] == 422


def test_the_owner_ends_it_by_signing_in(asha, ben) -> None:
    path = ask(ben)
    decide(asha, ben)
    signed_in(ben)
    with held(now() + DAY + timedelta(minutes=1)):
        assert opens(path)[0] == 404
    assert RecoveryRequest.objects.get(teammate=ben).outcome == "cancelled"
    assert NoticeRecord.objects.filter(teammate=ben, kind="recovery_refused").exists()


def test_this_was_not_me_ends_it_and_marks_the_password(asha, ben) -> None:
    path = ask(ben)
    decide(asha, ben)
    link = stop_link(ben)
    assert browser().get(link).status_code == 200
    assert RecoveryRequest.objects.get(teammate=ben).ended_at is None, "looking at the link changes nothing"
    assert browser().post(link).status_code == 200
    with held(now() + DAY + timedelta(minutes=1)):
        assert opens(path)[0] == 404
    ben.refresh_from_db()
    assert ben.password_compromised_at is not None
    assert browser().post(link).status_code == 404


def test_a_link_to_stop_cannot_be_made_up(ben) -> None:
    ask(ben)
    link = stop_link(ben)
    for forged in (link[:-1] + ("0" if link[-1] != "0" else "1"), link.partition(".")[0], "/recover/stop/x"):
        assert browser().post(forged).status_code == 404
    assert RecoveryRequest.objects.get(teammate=ben).ended_at is None


def test_a_refused_request_opens_nothing(acme, asha, ben) -> None:
    path = ask(ben)
    assert decide(asha, ben, "refuse") == 302
    with held(now() + DAY + timedelta(minutes=1)):
        assert opens(path)[0] == 404
    decide(asha, ben)
    assert RecoveryRequest.objects.get(teammate=ben).outcome == "refused"


def test_one_request_is_open_at_a_time(ben) -> None:
    ask(ben)
    client = browser()
    client.post("/sign-in", {"email": ben.email, "password": PASSWORD})
    assert client.post("/sign-in/recovery").status_code == 409


def test_a_request_nobody_answered_is_over_after_a_week(asha, ben) -> None:
    path = ask(ben)
    with held(now() + timedelta(days=7, minutes=1)):
        assert browser().get(path).status_code == 404
        assert ask(ben) != path


def test_an_open_link_closes_after_three_days(asha, ben) -> None:
    path = ask(ben)
    decide(asha, ben)
    with held(now() + DAY + timedelta(days=3, minutes=1)):
        assert opens(path)[0] == 404


def test_guessing_at_the_password_behind_the_link_is_throttled(asha, ben, monkeypatch) -> None:
    monkeypatch.setenv("MISENTINEL_SIGN_IN_ATTEMPTS", "2")
    path = ask(ben)
    decide(asha, ben)
    SignInFailure.objects.all().delete()
    with held(now() + DAY + timedelta(minutes=1)):
        assert [opens(path, "not the password at all")[0] for _ in range(4)] == [422, 422, 429, 429]
    SignInFailure.objects.all().delete()


def test_stopping_while_it_opens_leaves_one_of_the_two(acme, asha, ben) -> None:
    """Whichever comes first wins: never a stopped request whose enrolment goes on."""
    path = ask(ben)
    decide(asha, ben)
    token, stop, barrier = path.rpartition("/")[2], stop_link(ben).rpartition("/")[2], Barrier(2)
    with held(now() + DAY + timedelta(minutes=1)):
        threads = [
            Thread(target=_at_once, args=(barrier, actions.begin_recovery, system("test"), token, PASSWORD)),
            Thread(target=_at_once, args=(barrier, actions.stop_recovery, system("test"), stop)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    request = RecoveryRequest.objects.get(teammate=ben)
    assert request.outcome == "cancelled"
    begun = Enrolment.objects.filter(teammate=ben, ended_at=None).exclude(pending_password="")
    assert not begun.exists()


def _at_once(barrier: Barrier, action, *arguments: object) -> None:
    barrier.wait(10)
    try:
        action(*arguments)
    except MiSentinelError:
        pass
    finally:
        connections.close_all()


@pytest.mark.parametrize("hours", ["0", "-1"])
def test_there_is_no_recovery_without_a_waiting_time(hours: str) -> None:
    with pytest.raises(Misconfigured, match="recovery_wait_hours"):
        settings.load({"MISENTINEL_RECOVERY_WAIT_HOURS": hours})


def test_an_enrolment_by_an_administrators_link_makes_it_needless(acme, asha, ben) -> None:
    path = ask(ben)
    link = actions.renew_enrolment(system("test"), acme.customer_id, ben.id)
    client = browser()
    new = "nine slow herons over the marsh"
    client.post(link.path, {"password": new, "repeated": new})
    seed = actions.totp_seed(Enrolment.objects.get(teammate=ben, ended_at=None).id)
    assert client.post("/enrolment/authenticator", {"code": code_for(seed)}).status_code == 200
    assert browser().get(path).status_code == 404
    assert second_factor.count_factors(ben.id) == 1
    assert queries.find_recovery(acme.customer_id, ben.id) is None


def test_an_administrators_link_into_a_living_account_waits_and_both_are_told(acme, asha, ben) -> None:
    """Else one administrator alone could become another within a minute."""
    NoticeRecord.objects.all().delete()
    link = actions.renew_enrolment(acting(asha), acme.customer_id, ben.id)
    told = {*NoticeRecord.objects.values_list("teammate_id", "kind")}
    assert told == {(ben.id, "link_made"), (asha.id, "link_given")}
    wait = timedelta(hours=settings.load().recovery_wait_hours)
    with held(now() + wait - timedelta(minutes=1)):
        assert browser().get(link.path).status_code == 404
    with held(now() + wait + timedelta(minutes=1)):
        assert browser().get(link.path).status_code == 200
        start_session(ben)
        assert browser().get(link.path).status_code == 404, "whoever signs in has their factors"


def test_the_link_of_somebody_who_never_enrolled_opens_at_once(acme, asha) -> None:
    made = actions.invite_teammate(acting(asha), acme.customer_id, email=f"zoe@{acme.alias[-8:]}.example", name="Zoe")
    again = actions.renew_enrolment(acting(asha), acme.customer_id, made.teammate_id)
    assert again.opens_at is None
    assert browser().get(again.path).status_code == 200
