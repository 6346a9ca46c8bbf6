"""The permission rules: deny unless plainly allowed."""

from __future__ import annotations

from uuid import uuid4

import pytest

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.errors import Conflict, Invalid, Refused
from misentinel.teammates import rules
from misentinel.teammates.contracts import ANONYMOUS, GRANTABLE, LETTABLE, CredentialKind, Permission, Principal

EVERYTHING = frozenset(Permission)


def principal(kind: ActorKind, permissions: frozenset[Permission] = EVERYTHING, usable: bool = True) -> Principal:
    return Principal(kind, "1", uuid4(), permissions, usable)


def test_nobody_is_allowed_only_what_is_public() -> None:
    assert {p for p in Permission if rules.allowed(ANONYMOUS, p)} == {Permission.PUBLIC}


@pytest.mark.parametrize("kind", [ActorKind.TEAMMATE, ActorKind.API_TOKEN, ActorKind.WRITE_KEY])
def test_whoever_is_suspended_expired_or_revoked_is_nobody(kind: ActorKind) -> None:
    gone = principal(kind, usable=False)
    assert {p for p in Permission if rules.allowed(gone, p)} == {Permission.PUBLIC}


@pytest.mark.parametrize("permission", sorted(GRANTABLE))
def test_a_teammate_may_do_what_is_granted_and_nothing_else(permission: Permission) -> None:
    ben = principal(ActorKind.TEAMMATE, frozenset({permission}))
    assert {p for p in Permission if rules.allowed(ben, p)} == {permission, Permission.SIGNED_IN, Permission.PUBLIC}


def test_a_write_key_writes_and_nothing_else_even_if_its_row_says_otherwise() -> None:
    key = principal(ActorKind.WRITE_KEY)
    assert {p for p in Permission if rules.allowed(key, p)} == {Permission.WRITE_EVENTS, Permission.PUBLIC}


def test_an_api_token_is_not_signed_in_and_writes_no_events() -> None:
    token = principal(ActorKind.API_TOKEN)
    assert {p for p in Permission if rules.allowed(token, p)} == GRANTABLE | {Permission.PUBLIC}


@pytest.mark.parametrize("kind", [ActorKind.PERSON, ActorKind.SYSTEM, ActorKind.ANONYMOUS])
def test_no_other_kind_of_party_comes_through_the_gate(kind: ActorKind) -> None:
    assert {p for p in Permission if rules.allowed(principal(kind), p)} == {Permission.PUBLIC}


def test_what_is_not_held_cannot_be_granted() -> None:
    held = frozenset({Permission.TEAMMATES})
    rules.require_grantable(held, frozenset({Permission.EXPORT}), frozenset({Permission.EXPORT}))
    with pytest.raises(Refused, match="export"):
        rules.require_grantable(held, frozenset(), frozenset({Permission.EXPORT}))


@pytest.mark.parametrize("permission", sorted(set(Permission) - GRANTABLE))
def test_declarations_can_be_granted_by_nobody(permission: Permission) -> None:
    with pytest.raises(Refused):
        rules.require_grantable(None, frozenset(), frozenset({permission}))
    with pytest.raises(Invalid):
        rules.parse_permissions([permission.value])


def test_a_link_reaches_no_further_than_its_maker_but_for_the_operator_who_sets_up() -> None:
    rules.require_reach(None, GRANTABLE)
    rules.require_reach(frozenset({Permission.TRAIL}), frozenset({Permission.TRAIL}))
    with pytest.raises(Refused, match="export"):
        rules.require_reach(frozenset({Permission.TRAIL}), frozenset({Permission.TRAIL, Permission.EXPORT}))


@pytest.mark.parametrize("needed", [GRANTABLE, frozenset({Permission.TEAMMATES})])
def test_the_last_administrator_is_kept(needed) -> None:
    less = needed - {Permission.TEAMMATES}
    with pytest.raises(Conflict):
        rules.require_administrator(needed, less, [GRANTABLE - {Permission.TEAMMATES}])
    rules.require_administrator(needed, less, [needed])
    rules.require_administrator(less, frozenset(), [])


def test_a_write_key_cannot_be_asked_to_hold_more() -> None:
    with pytest.raises(Invalid):
        rules.scope_of(CredentialKind.WRITE_KEY, frozenset({Permission.USER_DATA}))
    with pytest.raises(Invalid):
        rules.scope_of(CredentialKind.API_TOKEN, frozenset({Permission.WRITE_EVENTS}))
    with pytest.raises(Invalid):
        rules.scope_of(CredentialKind.API_TOKEN, frozenset())


def test_every_permission_says_what_its_absence_means() -> None:
    for permission in GRANTABLE:
        assert permission.without.startswith("Without this, a teammate cannot ")
        assert permission.title
    assert len({p.without for p in Permission}) == len(Permission)


def test_an_operator_does_at_most_what_a_customer_can_let_them_do() -> None:
    """Whatever stands in the row of an access: nothing by which it could outlast its end."""
    olga = principal(ActorKind.OPERATOR)
    assert {p for p in Permission if rules.allowed(olga, p)} == LETTABLE | {
        Permission.SIGNED_IN, Permission.OPERATE, Permission.PUBLIC
    }  # fmt: skip
    assert {Permission.TEAMMATES, Permission.SECURITY_SETTINGS, Permission.APPS_AND_API, Permission.EXPORT} == (
        GRANTABLE - LETTABLE
    )
