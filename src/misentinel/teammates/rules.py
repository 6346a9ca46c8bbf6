"""Who may do what, decided from what is in hand: no database, no clock, no framework."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.errors import Conflict, Invalid, Refused
from misentinel.teammates.contracts import GRANTABLE, LETTABLE, CredentialKind, Permission, Principal

PROOF_LASTS = timedelta(minutes=5)
_STAFF = frozenset({ActorKind.TEAMMATE, ActorKind.OPERATOR})
_PRINCIPALS = _STAFF | {ActorKind.API_TOKEN, ActorKind.WRITE_KEY, ActorKind.PROVISIONING_KEY}


def allowed(principal: Principal, permission: Permission) -> bool:
    """Says whether `principal` may do what needs `permission`. Whatever is not plainly allowed is not."""
    if permission is Permission.PUBLIC:
        return True
    if not principal.usable or principal.kind not in _PRINCIPALS:
        return False
    if permission is Permission.SIGNED_IN:
        return principal.kind in _STAFF
    if permission is Permission.OPERATE:
        return principal.kind is ActorKind.OPERATOR
    if permission is Permission.WRITE_EVENTS:
        return principal.kind is ActorKind.WRITE_KEY
    if permission is Permission.PROVISION:
        return principal.kind is ActorKind.PROVISIONING_KEY
    if principal.kind in (ActorKind.WRITE_KEY, ActorKind.PROVISIONING_KEY):
        return False
    if principal.kind is ActorKind.OPERATOR and permission not in LETTABLE:
        return False
    return permission in GRANTABLE and permission in principal.permissions


def proved_lately(principal: Principal, at: datetime) -> bool:
    """Says whether a factor was shown in this session in the last five minutes."""
    return principal.proved_at is not None and at - PROOF_LASTS < principal.proved_at <= at


def parse_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """Reads names of grantable permissions. Raises `Invalid`, naming the one that is not."""
    found = set()
    for name in names:
        try:
            permission = Permission(name)
        except ValueError:
            raise Invalid(f"There is no permission {name!r}. There are: {_names(GRANTABLE)}.") from None
        if permission not in GRANTABLE:
            raise Invalid(f"The permission {name!r} cannot be granted. These can: {_names(GRANTABLE)}.")
        found.add(permission)
    return frozenset(found)


def require_grantable(
    held: frozenset[Permission] | None, before: frozenset[Permission], after: frozenset[Permission]
) -> None:
    """Raises `Refused` if the change gives away what the giver does not hold. `held` None is the operator."""
    beyond = (after - before) - GRANTABLE
    if held is not None:
        beyond |= (after - before) - held
    if beyond:
        raise Refused(f"You cannot grant what you do not hold: {_names(beyond)}.")


def require_reach(held: frozenset[Permission] | None, target: frozenset[Permission]) -> None:
    """Raises `Refused` for a new way into an account that may do more than the one who hands it out."""
    if held is not None and not target <= held:
        raise Refused(
            f"Only someone who holds {_names(target - held)} as well can make an enrolment link for this teammate."
        )


def require_administrator(
    before: frozenset[Permission], after: frozenset[Permission], others: Iterable[frozenset[Permission]]
) -> None:
    """Raises `Conflict` if a change from `before` to `after` would take away the last full administrator, who holds
    everything for good, or the last who can manage teammates. `others` are those who stay able to sign in.
    """
    remaining = list(others)
    kinds = (
        (GRANTABLE, "This is the last full administrator. Give someone else every permission first."),
        (
            frozenset({Permission.TEAMMATES}),
            "This is the last teammate who can manage teammates. Give someone else that permission first.",
        ),
    )
    for needed, told in kinds:
        if needed <= before and not needed <= after and not any(needed <= held for held in remaining):
            raise Conflict(told)


def scope_of(kind: CredentialKind, permissions: frozenset[Permission]) -> frozenset[Permission]:
    """Returns what a key of `kind` holds: a write key writes events and nothing else, whatever was asked for."""
    if kind is CredentialKind.WRITE_KEY:
        if permissions - {Permission.WRITE_EVENTS}:
            raise Invalid("A write key writes events and can hold no other permission. Create an API token instead.")
        return frozenset({Permission.WRITE_EVENTS})
    if kind is CredentialKind.PROVISIONING_KEY:
        if permissions - {Permission.PROVISION}:
            raise Invalid("A provisioning key provisions teammates and can hold no other permission.")
        return frozenset({Permission.PROVISION})
    if not permissions:
        raise Invalid("An API token without any permission can do nothing. Choose at least one.")
    if permissions - GRANTABLE:
        raise Invalid(f"An API token cannot hold {_names(permissions - GRANTABLE)}.")
    return permissions


def _names(permissions: Iterable[Permission]) -> str:
    return ", ".join(sorted(permissions))
