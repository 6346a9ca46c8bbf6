"""What makes no sense in the state that something is in is refused, each with the reason that a person needs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from misentinel.kernel.actor import anonymous, system
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Credential, Enrolment, Grant, SessionRecord, Teammate
from tests.cast import hire, start_session

SYSTEM = system("test")


@pytest.fixture
def ben(acme) -> Teammate:
    hire(acme.customer_id, "Asha")
    return hire(acme.customer_id, "Ben")


def invited(customer_id, name: str) -> Enrolment:
    link = actions.invite_teammate(SYSTEM, customer_id, email=f"{name}@example.com", name=name, permissions=GRANTABLE)
    return Enrolment.objects.get(teammate_id=link.teammate_id)


def test_nobody_is_suspended_twice(acme, ben) -> None:
    actions.suspend_teammate(SYSTEM, acme.customer_id, ben.id)
    with pytest.raises(Conflict, match="suspended already"):
        actions.suspend_teammate(SYSTEM, acme.customer_id, ben.id)


def test_whoever_is_not_suspended_is_not_reinstated(acme, ben) -> None:
    with pytest.raises(Conflict, match="not suspended"):
        actions.reinstate_teammate(SYSTEM, acme.customer_id, ben.id)


def test_a_suspended_teammate_gets_no_new_link(acme, ben) -> None:
    actions.suspend_teammate(SYSTEM, acme.customer_id, ben.id)
    with pytest.raises(Conflict, match="Reinstate"):
        actions.renew_enrolment(SYSTEM, acme.customer_id, ben.id)
    assert not Enrolment.objects.filter(teammate=ben, ended_at=None).exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\x07bell"])
def test_a_key_has_a_name_that_can_be_read(acme, name: str) -> None:
    with pytest.raises(Invalid, match="name"):
        actions.create_credential(SYSTEM, acme.customer_id, CredentialKind.WRITE_KEY, name=name)
    assert not Credential.objects.filter(customer_id=acme.customer_id).exists()


def test_a_key_s_name_may_be_120_characters_long(acme) -> None:
    assert actions.create_credential(SYSTEM, acme.customer_id, CredentialKind.WRITE_KEY, name="x" * 120)


def test_a_key_is_not_born_expired(acme) -> None:
    with pytest.raises(Invalid, match="expired before"):
        actions.create_credential(
            SYSTEM, acme.customer_id, CredentialKind.WRITE_KEY, name="Shop", expires_at=in_future(seconds=-1)
        )


def test_before_a_password_an_enrolment_shows_no_seed_and_completes_nothing(acme) -> None:
    """Also while another enrolment is past that step: each is looked up by its own id."""
    early, ready = invited(acme.customer_id, "early"), invited(acme.customer_id, "ready")
    actions.choose_password(anonymous("192.0.2.7"), ready.id, "nine tall herons wade at dusk")
    assert actions.totp_seed(ready.id)
    with pytest.raises(NotFound):
        actions.totp_seed(early.id)
    with pytest.raises(NotFound):
        actions.complete_enrolment(anonymous("192.0.2.7"), early.id, "123456", device="Firefox")


def test_an_enrolment_that_is_over_shows_no_seed_and_takes_no_password(acme) -> None:
    row = invited(acme.customer_id, "late")
    actions.choose_password(anonymous("192.0.2.7"), row.id, "nine tall herons wade at dusk")
    Enrolment.objects.filter(id=row.id).update(ended_at=now())
    for attempt in (
        lambda: actions.totp_seed(row.id),
        lambda: actions.choose_password(anonymous("192.0.2.7"), row.id, "nine tall herons wade at dawn"),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_wrong_first_code_enrols_nobody(acme) -> None:
    row = invited(acme.customer_id, "guess")
    actions.choose_password(anonymous("192.0.2.7"), row.id, "nine tall herons wade at dusk")
    with pytest.raises(Invalid, match="code"):
        actions.complete_enrolment(anonymous("192.0.2.7"), row.id, "not a code", device="Firefox")
    assert Teammate.objects.get(id=row.teammate_id).enrolled_at is None


def test_signing_out_ends_that_session_and_no_other(acme, ben) -> None:
    mine, other = start_session(ben), start_session(ben)
    actions.sign_out(SYSTEM, acme.customer_id, mine)
    ended = dict(SessionRecord.objects.filter(teammate=ben).values_list("id", "ended_at"))
    assert ended[mine] is not None
    assert ended[other] is None


def test_a_session_ends_once(acme, ben) -> None:
    mine = start_session(ben)
    with held(now() - timedelta(minutes=1)):
        actions.sign_out(SYSTEM, acme.customer_id, mine)
    first = SessionRecord.objects.get(id=mine).ended_at
    actions.sign_out(SYSTEM, acme.customer_id, mine)
    assert SessionRecord.objects.get(id=mine).ended_at == first


@pytest.mark.parametrize("over", [False, True])
def test_only_a_teammate_s_own_grant_that_still_counts_is_taken_away(acme, ben, over: bool) -> None:
    cleo = hire(acme.customer_id, "Cleo", ())
    until = now() if over else in_future(days=1)
    grant = Grant.objects.create(
        teammate=cleo, permission=Permission.TRAIL, reason="Cover", given_by="system", expires_at=until
    )
    with pytest.raises(NotFound):
        actions.end_grant(SYSTEM, acme.customer_id, cleo.id if over else ben.id, grant.id)
    assert Grant.objects.get(id=grant.id).ended_at is None
