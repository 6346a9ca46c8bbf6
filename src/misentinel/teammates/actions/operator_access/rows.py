"""What all of them need: the row under a lock, what was typed made clean, and the entry on the customer's trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from misentinel.kernel.actor import OPERATOR_ID, Actor, ActorKind
from misentinel.kernel.errors import Invalid, NotFound, Refused
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import LETTABLE, Notice, Permission
from misentinel.teammates.models import Access, Teammate
from misentinel.teammates.notices import notify_holders
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

LONGEST_MINUTES = 24 * 60


def locked(access_id: UUID, **belonging: Any) -> Access:
    """Returns the access, locked. Raises `NotFound`, also for one that does not belong as told."""
    rows = Access.objects.select_for_update(of=("self",)).select_related("operator")
    found = rows.filter(id=access_id, **belonging).first()
    if found is None:
        raise NotFound("There is no such access.")
    return found


def staff(actor: Actor) -> Teammate:
    """Returns who of the operator's staff acts, signed in. Raises `Refused` for anybody else, the command line too."""
    staff_id = parse_id(actor.id) if actor.kind is ActorKind.OPERATOR else None
    found = Teammate.objects.filter(id=staff_id, customer_id=OPERATOR_ID).first() if staff_id else None
    if found is None or not found.may_sign_in:
        raise Refused("Only the operator's staff, signed in as themselves, can do this.")
    return found


def clean_reason(reason: str) -> str:
    reason = " ".join(reason.split())
    if not 10 <= len(reason) <= 500 or not reason.isprintable():
        raise Invalid("Say in 10 to 500 characters why the access is needed: the customer decides by it.")
    return reason


def clean_scope(permissions: Iterable[Permission]) -> list[str]:
    """Raises `Invalid` for an empty scope, or for what no operator can be let do."""
    scope = frozenset(permissions)
    if not scope:
        raise Invalid("Choose at least one permission.")
    if scope - LETTABLE:
        beyond = ", ".join(sorted(permission.title for permission in scope - LETTABLE))
        raise Invalid(f"Nobody of the operator's staff can be given this: {beyond}.")
    return sorted(scope)


def clean_minutes(minutes: int) -> int:
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise Invalid("Access lasts at most 24 hours.")
    return minutes


def tell(actor: Actor, row: Access, tag: Tag, *, reason: bool = False, **details: Any) -> None:
    """Writes the entry on the customer's trail. It carries the access's id, so that the whole story is found by it."""
    record_control(
        replace(actor, access=str(row.id)), tag, customer_id=row.customer_id, object_kind="operator_access",
        object_id=row.id, details={**details, **({"emergency": True} if row.emergency else {})},
        after={"reason": row.reason} if reason else None,
    )  # fmt: skip


def notify_deciders(row: Access, notice: Notice, **facts: Any) -> None:
    """E-mails everyone at the customer who decides about the operator's access, its full administrators among them."""
    notify_holders(
        row.customer_id, Permission.SECURITY_SETTINGS, notice, reason=row.reason, link="/settings/operator-access",
        **facts,
    )  # fmt: skip
