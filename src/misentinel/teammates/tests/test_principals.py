"""Who a session's cookie or a key makes somebody, and every reason why it no longer does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from misentinel.kernel.actor import ActorKind, system
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.ids import new_id
from misentinel.teammates import actions
from misentinel.teammates.contracts import ANONYMOUS, CredentialKind, Permission
from misentinel.teammates.models import Credential, SessionRecord, Teammate
from misentinel.teammates.queries import principal_of_secret, principal_of_session
from misentinel.teammates.queries.limits import ABSOLUTE_LIMIT, IDLE_LIMIT
from tests.cast import hire, join_staff, start_session

DAY = timedelta(days=1)


@pytest.fixture
def ben(acme) -> Teammate:
    return hire(acme.customer_id, "Ben", [Permission.TRAIL])


@pytest.fixture
def session(acme, ben) -> SessionRecord:
    """Ben's, beside one of Asha's that nothing happens to."""
    start_session(hire(acme.customer_id, "Asha"))
    return SessionRecord.objects.get(id=start_session(ben))


def test_a_session_is_its_teammates_and_nobody_elses(acme, ben, session) -> None:
    found = principal_of_session(session.id, session.turn)
    assert (found.kind, found.id, found.customer_id) == (ActorKind.TEAMMATE, str(ben.id), acme.customer_id)
    assert (found.permissions, found.usable, found.why_not) == ({Permission.TRAIL}, True, "")
    assert principal_of_session(None) == principal_of_session(new_id()) == ANONYMOUS


def test_one_of_the_operators_staff_is_nobodys_teammate() -> None:
    olga = join_staff("Olga")
    record = SessionRecord.objects.get(id=start_session(olga))
    found = principal_of_session(record.id, record.turn)
    assert (found.kind, found.customer_id, found.usable) == (ActorKind.OPERATOR, None, True)
    assert found.permissions == frozenset()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ended_at": DAY * 0}, "session_revoked"),
        ({"expires_at": DAY * 0}, "session_expired"),
        ({"started_at": -ABSOLUTE_LIMIT}, "session_expired"),
        ({"last_seen_at": -IDLE_LIMIT}, "session_idle"),
        ({"teammate__suspended_at": DAY * 0}, "suspended"),
        ({"teammate__enrolled_at": None}, "not_enrolled"),
        ({"teammate__password_compromised_at": DAY * 0}, "password_compromised"),
    ],
)
def test_a_session_that_is_over_says_why_and_is_not_kept_alive(session, change: dict[str, Any], reason: str) -> None:
    ((name, by),) = change.items()
    value = None if by is None else now() + by
    _, _, of_teammate = name.rpartition("teammate__")
    if name.startswith("teammate__"):
        Teammate.objects.filter(id=session.teammate_id).update(**{of_teammate: value})
    else:
        SessionRecord.objects.filter(id=session.id).update(**{name: value})
    seen = SessionRecord.objects.get(id=session.id).last_seen_at
    with held(in_future(minutes=2)):
        found = principal_of_session(session.id, session.turn)
    assert (found.usable, found.why_not) == (False, reason)
    assert SessionRecord.objects.get(id=session.id).last_seen_at == seen


def test_a_session_without_a_factor_or_with_an_earlier_cookie_is_over(session, ben) -> None:
    assert principal_of_session(session.id, session.turn + 1).why_not == "session_key_changed"
    Authenticator.objects.filter(user=ben, type=Authenticator.Type.TOTP).update(type="recovery_codes")
    assert principal_of_session(session.id, session.turn).why_not in {"no_second_factor", "session_key_changed"}
    assert not principal_of_session(session.id, session.turn).usable


def test_use_is_noted_once_a_minute_for_that_session_alone_and_not_for_what_a_page_asks_by_itself(session) -> None:
    def seen() -> dict[Any, Any]:
        return dict(SessionRecord.objects.values_list("id", "last_seen_at"))

    before = seen()
    with held(in_future(seconds=50)):
        principal_of_session(session.id, session.turn)
        assert seen() == before
    with held(in_future(minutes=2)):
        principal_of_session(session.id, session.turn, used=False)
        assert seen() == before
        principal_of_session(session.id, session.turn)
        assert seen() == {**before, session.id: now()}


@pytest.fixture
def keys(acme) -> list[Any]:
    """Two, so that what is done to one can be seen not to be done to the other."""
    return [
        actions.create_credential(
            system("test"), acme.customer_id, CredentialKind.API_TOKEN, name=name, permissions={Permission.TRAIL},
            expires_at=in_future(days=7),
        )
        for name in ("One", "Two")
    ]  # fmt: skip


def used(keys: list[Any]) -> list[Any]:
    return [Credential.objects.get(id=key.view.id).last_used_at for key in keys]


def test_a_key_is_its_customers_with_what_it_was_given(acme, keys) -> None:
    found = principal_of_secret(keys[0].secret, network="192.0.2.0/24")
    assert (found.kind, found.id, found.customer_id) == (
        ActorKind.API_TOKEN, str(keys[0].view.id), acme.customer_id,
    )  # fmt: skip
    assert (found.permissions, found.usable) == ({Permission.TRAIL}, True)
    assert principal_of_secret("nothing of ours") == ANONYMOUS
    assert Credential.objects.get(id=keys[0].view.id).last_used_from == "192.0.2.0/24"


def test_a_keys_use_is_noted_once_a_minute_for_that_key_alone(keys) -> None:
    principal_of_secret(keys[0].secret)
    first, other = used(keys)
    assert first is not None and other is None
    with held(in_future(seconds=50)):
        principal_of_secret(keys[0].secret)
    assert used(keys) == [first, None]
    with held(in_future(minutes=2)):
        principal_of_secret(keys[0].secret)
        assert used(keys) == [now(), None]
    assert Credential.objects.get(id=keys[0].view.id).earlier_used_at is None


@pytest.mark.parametrize(("change", "reason"), [({"revoked_at": -DAY}, "revoked"), ({"expires_at": -DAY}, "expired")])
def test_a_key_that_is_over_says_why_and_its_use_is_not_noted(keys, change: dict[str, timedelta], reason: str) -> None:
    rows = Credential.objects.filter(id=keys[0].view.id)
    rows.update(**{name: now() + by for name, by in change.items()})
    found = principal_of_secret(keys[0].secret)
    assert (found.usable, found.why_not) == (False, reason)
    assert used(keys) == [None, None]


def test_a_key_that_signs_is_worth_nothing_without_a_proof(keys) -> None:
    Credential.objects.filter(id=keys[0].view.id).update(signing_key=b"k" * 32)
    asked = []

    def prove(credential_id, public_key) -> str:
        asked.append((credential_id, public_key))
        return ""

    assert principal_of_secret(keys[0].secret).why_not == "unsigned" and used(keys) == [None, None]
    assert principal_of_secret(keys[0].secret, prove=lambda *_: "stale").why_not == "stale"
    assert principal_of_secret(keys[0].secret, prove=prove).usable
    assert asked == [(keys[0].view.id, b"k" * 32)]
    assert principal_of_secret(keys[1].secret, prove=prove).usable and len(asked) == 1
    Credential.objects.filter(id=keys[0].view.id).update(revoked_at=now())
    assert principal_of_secret(keys[0].secret, prove=prove).why_not == "revoked" and len(asked) == 1
