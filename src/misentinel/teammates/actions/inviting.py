"""Inviting and suspending. Whoever acts can hand out only what they hold; the operator, who set the
customer up at the command line, may hand out anything, on the trail."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from misentinel.kernel import settings
from misentinel.kernel.actor import OPERATOR_ID, Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.kernel.ids import parse_id
from misentinel.teammates import rules
from misentinel.teammates.actions.command_line import require_free_hand
from misentinel.teammates.actions.sessions import end_all
from misentinel.teammates.contracts import Notice, OneTimeLink, Permission
from misentinel.teammates.models import Connection, Credential, Enrolment, Role, Teammate
from misentinel.teammates.notices import notify
from misentinel.teammates.queries.holding import held_for_good, held_now, known_permissions
from misentinel.teammates.queries.principals import digest_of
from misentinel.teammates.roles import shipped_roles
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

LINK_LASTS = timedelta(days=3)
_OF_THE_OPERATOR = {Tag.TEAMMATE_INVITE: Tag.OPERATOR_INVITE, Tag.TEAMMATE_SUSPEND: Tag.OPERATOR_SUSPEND}


def invite_teammate(
    actor: Actor, customer_id: UUID, *, email: str, name: str, permissions: Iterable[Permission] = (), role: str = ""
) -> OneTimeLink:
    """Adds a teammate who can do nothing yet, and returns the one-time link with which they enrol.

    They get `role` (a `RoleView.id`, or none) and the single `permissions` on top. Raises `Invalid` for a bad address
    or name, `Refused` for a permission that the actor does not hold, `NotFound` for a role, `Conflict` where the
    address is a teammate's already.
    """
    wanted = frozenset(permissions)
    with transaction.atomic():
        held = held_by(actor, customer_id)
        teammate = Teammate(
            customer_id=customer_id,
            email=clean_email(email),
            name=clean_name(name),
            permissions=sorted(wanted),
        )
        put_into_role(teammate, role)
        rules.require_grantable(held, frozenset(), held_for_good(teammate) | wanted)
        teammate.set_unusable_password()
        try:
            with transaction.atomic():
                teammate.save(force_insert=True)
        except IntegrityError:
            raise Conflict("This e-mail address belongs to a teammate already.") from None
        link = _new_link(teammate)
        record_control(
            actor, _tag(Tag.TEAMMATE_INVITE, customer_id), customer_id=customer_id,
            object_kind="teammate", object_id=teammate.id,
            details={"role": role, "permissions": sorted(wanted)},
            after={"email": teammate.email, "name": teammate.name},
        )  # fmt: skip
    return link


def renew_enrolment(actor: Actor, customer_id: UUID, teammate_id: UUID) -> OneTimeLink:
    """Returns a fresh one-time link; earlier ones end. Until it is used up, the teammate's factors stay as they are.

    Into the account of somebody who is enrolled it opens after `recovery_wait_hours`, like any new way in: they and its
    maker are told, and they end it by signing in. Who has the installation's command line need not wait.

    Raises `Refused` if the teammate may do something that the actor may not: the link is a way into the account.
    """
    with transaction.atomic():
        teammate = locked(customer_id, teammate_id)
        if teammate.suspended_at is not None:
            raise Conflict("This teammate is suspended. Reinstate them first.")
        rules.require_reach(held_by(actor, customer_id), held_now(teammate))
        waits = teammate.enrolled_at is not None and actor.kind not in (ActorKind.SYSTEM, ActorKind.OPERATOR)
        link = _new_link(teammate, timedelta(hours=settings.load().recovery_wait_hours) if waits else timedelta())
        record_control(
            actor, _tag(Tag.TEAMMATE_INVITE, customer_id), customer_id=customer_id,
            object_kind="teammate", object_id=teammate.id,
            details={"renewed": True, "waits": waits},
        )  # fmt: skip
        if waits:
            notify(teammate, Notice.LINK_MADE, opens=link.opens_at)
            for maker in Teammate.objects.filter(id=actor.id):
                notify(maker, Notice.LINK_GIVEN, opens=link.opens_at)
    return link


def suspend_teammate(actor: Actor, customer_id: UUID, teammate_id: UUID) -> None:
    """Shuts a teammate out from their next request on: sessions and links end. Raises `Conflict` for the last one
    who can manage teammates."""
    with transaction.atomic():
        teammate = locked(customer_id, teammate_id)
        if teammate.suspended_at is not None:
            raise Conflict("This teammate is suspended already.")
        require_administrator(teammate, frozenset())
        if Connection.objects.filter(break_glass=teammate).exists():
            raise Conflict("Single sign-on names this teammate as the one who can repair it. Name another first.")
        teammate.suspended_at = now()
        teammate.save(update_fields=["suspended_at"])
        end_links(teammate)
        end_all(actor, teammate)
        record_control(
            actor,
            _tag(Tag.TEAMMATE_SUSPEND, customer_id),
            customer_id=customer_id,
            object_kind="teammate",
            object_id=teammate.id,
        )


def reinstate_teammate(actor: Actor, customer_id: UUID, teammate_id: UUID) -> None:
    """Lets a suspended teammate sign in again, with what they were permitted before, which the actor must hold."""
    with transaction.atomic():
        teammate = locked(customer_id, teammate_id)
        if teammate.suspended_at is None:
            raise Conflict("This teammate is not suspended.")
        rules.require_grantable(held_by(actor, customer_id), frozenset(), held_now(teammate))
        teammate.suspended_at = None
        teammate.save(update_fields=["suspended_at"])
        record_control(
            actor,
            Tag.TEAMMATE_REINSTATE,
            customer_id=customer_id,
            object_kind="teammate",
            object_id=teammate.id,
        )


def held_by(actor: Actor, customer_id: UUID) -> frozenset[Permission] | None:
    """Returns what the actor can hand out at this customer, read and locked now; None for no limit.

    What somebody holds for a time only is not among it: handing it on would make it last. The operator has no limit at
    the command line until the customer has an administrator, and after that hands out nothing at all.
    """
    if actor.kind is ActorKind.SYSTEM:
        return None
    if actor.kind is ActorKind.OPERATOR:
        require_free_hand(actor, customer_id)
        return None
    if actor.kind is ActorKind.TEAMMATE:
        teammate = Teammate.objects.select_for_update().filter(id=actor.id, customer_id=customer_id).first()
        if teammate is not None and teammate.may_sign_in:
            return held_for_good(teammate)
    if actor.kind is ActorKind.API_TOKEN:
        token = Credential.objects.filter(id=actor.id, customer_id=customer_id, revoked_at=None).first()
        if token is not None:
            return known_permissions(token.permissions)
    if actor.kind is ActorKind.PROVISIONING_KEY:
        key = Credential.objects.select_related("connection").filter(
            id=actor.id, customer_id=customer_id, revoked_at=None
        )
        found = key.first()
        if found is not None and found.connection is not None:
            return known_permissions(found.connection.ceiling)
    raise Refused("You cannot hand out permissions here.")


def end_links(teammate: Teammate) -> None:
    """A link leads as far as its maker could go. When its teammate comes to hold more, it ends, and one who holds as
    much makes another.
    """
    Enrolment.objects.filter(teammate=teammate, ended_at=None).update(
        ended_at=now(), pending_password="", pending_secret=""
    )


def _tag(tag: Tag, customer_id: UUID) -> Tag:
    return _OF_THE_OPERATOR.get(tag, tag) if customer_id == OPERATOR_ID else tag


def _new_link(teammate: Teammate, wait: timedelta = timedelta()) -> OneTimeLink:
    end_links(teammate)
    token, opens_at = secrets.token_urlsafe(32), now() + wait
    row = Enrolment.objects.create(
        teammate=teammate, token_digest=digest_of(token), created_at=now(), opens_at=opens_at if wait else None,
        expires_at=opens_at + LINK_LASTS,
    )  # fmt: skip
    return OneTimeLink(teammate.id, f"/enrol/{token}", row.expires_at, row.opens_at)


def locked(customer_id: UUID, teammate_id: UUID) -> Teammate:
    """Returns the teammate, with all of the customer's locked. Raises `NotFound`, also for another customer's."""
    for row in locked_teammates(customer_id):
        if row.id == teammate_id:
            return row
    raise NotFound("There is no such teammate.")


def locked_teammates(customer_id: UUID) -> list[Teammate]:
    """Locks all of the customer's teammates, so that two administrators cannot remove each other at once."""
    return list(Teammate.objects.select_for_update().filter(customer_id=customer_id).order_by("id"))


def require_administrator(teammate: Teammate, after: frozenset[Permission]) -> None:
    """Raises `Conflict` if this customer would lose its last administrator once `teammate` holds only `after`."""
    others = Teammate.objects.select_related("role").filter(
        customer_id=teammate.customer_id, suspended_at=None, enrolled_at__isnull=False
    )
    rules.require_administrator(
        held_for_good(teammate), after, [held_for_good(row) for row in others.exclude(id=teammate.id)]
    )


def put_into_role(teammate: Teammate, role_id: str) -> None:
    """Sets the role on the row, unsaved; "" is none. Raises `NotFound`, also for another customer's role."""
    teammate.role, teammate.shipped_role = None, ""
    if role_id in shipped_roles():
        teammate.shipped_role = role_id
    elif role_id:
        own = parse_id(role_id)
        teammate.role = Role.objects.filter(id=own, customer_id=teammate.customer_id).first() if own else None
        if teammate.role is None:
            raise NotFound("There is no such role.")


def clean_email(email: str) -> str:
    email = email.strip().casefold()
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid("This is not an e-mail address.") from None
    return email


def clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 120 or not name.isprintable():
        raise Invalid("A name has 1 to 120 printable characters.")
    return name
