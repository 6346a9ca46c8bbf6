"""Lists and single rows as contracts. Whatever belongs to another customer answers as if it did not exist."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.db.models import Max, Prefetch, Q, QuerySet

from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import (
    CredentialKind,
    CredentialView,
    EnrolmentView,
    Factors,
    GrantView,
    PasskeyView,
    Permission,
    Session,
    TeammateView,
)
from misentinel.teammates.models import Credential, Enrolment, Grant, Passkey, SessionRecord, Teammate
from misentinel.teammates.places import place_of
from misentinel.teammates.queries.holding import held_for_good, known_permissions
from misentinel.teammates.queries.limits import get_limits
from misentinel.teammates.queries.principals import digest_of
from misentinel.teammates.queries.roles import role_of
from misentinel.teammates.second_factor import count_recovery_codes, find_authenticator


def list_teammates(customer_id: UUID) -> list[TeammateView]:
    return [view_teammate(row) for row in _teammates().filter(customer_id=customer_id).order_by("email")]


def get_teammate(customer_id: UUID, teammate_id: UUID) -> TeammateView:
    """Raises `NotFound`, also for another customer's teammate."""
    row = _teammates().filter(customer_id=customer_id, id=teammate_id).first()
    if row is None:
        raise NotFound("There is no such teammate.")
    return view_teammate(row)


def find_teammate_by_email(customer_id: UUID, email: str) -> TeammateView | None:
    row = _teammates().filter(customer_id=customer_id, email=email.strip().casefold()).first()
    return view_teammate(row) if row else None


def list_sessions(teammate_id: UUID) -> list[Session]:
    """Sessions that still open something, the most recently used first."""
    teammate = Teammate.objects.filter(id=teammate_id).first()
    if teammate is None:
        return []
    lasting = get_limits(teammate.customer_id)
    rows = SessionRecord.objects.filter(
        teammate_id=teammate_id, ended_at=None, expires_at__gt=now(), last_seen_at__gt=now() - lasting.idle,
        started_at__gt=now() - lasting.absolute,
    )  # fmt: skip
    return [view_session(row) for row in rows.order_by("-last_seen_at", "-id")]


def recovery_codes_left(teammate_id: UUID) -> int:
    return count_recovery_codes(teammate_id)


def list_factors(teammate_id: UUID) -> Factors:
    """What somebody signs in with, the oldest passkey first."""
    authenticator = find_authenticator(teammate_id)
    rows = Passkey.objects.filter(teammate_id=teammate_id).order_by("created_at", "id")
    return Factors(
        authenticator_since=authenticator.created_at if authenticator else None,
        passkeys=[PasskeyView(row.id, row.name, row.synced, row.created_at, row.last_used_at) for row in rows],
        recovery_codes_left=count_recovery_codes(teammate_id),
    )


def list_credentials(customer_id: UUID) -> list[CredentialView]:
    """Keys, usable ones first, the newest first among them."""
    rows = Credential.objects.filter(customer_id=customer_id).order_by("-id")
    return sorted((view_credential(row) for row in rows), key=lambda view: view.revoked_at is not None)


def get_credential(customer_id: UUID, credential_id: UUID) -> CredentialView:
    """Raises `NotFound`, also for another customer's key."""
    row = Credential.objects.filter(customer_id=customer_id, id=credential_id).first()
    if row is None:
        raise NotFound("There is no such key.")
    return view_credential(row)


def find_enrolment(token: str) -> EnrolmentView | None:
    """Returns the open enrolment that this link's token opens, or None: unknown, used, renewed or expired."""
    row = open_enrolments().filter(token_digest=digest_of(token)).first()
    if row is None:
        return None
    return EnrolmentView(row.id, row.teammate_id, row.teammate.customer_id, row.teammate.email, row.teammate.name)


def open_enrolments() -> QuerySet[Enrolment]:
    opened = Q(opens_at=None) | Q(opens_at__lte=now())
    return Enrolment.objects.select_related("teammate").filter(
        opened, ended_at=None, expires_at__gt=now(), teammate__suspended_at=None
    )


def view_teammate(row: Teammate) -> TeammateView:
    grants = tuple(
        GrantView(grant.id, Permission(grant.permission), grant.reason, grant.given_at, grant.expires_at)
        for grant in row.grants.all()
        if grant.ended_at is None and grant.expires_at > now()
    )
    return TeammateView(
        id=row.id,
        customer_id=row.customer_id,
        email=row.email,
        name=row.name,
        permissions=held_for_good(row) | {grant.permission for grant in grants},
        enrolled_at=row.enrolled_at,
        suspended_at=row.suspended_at,
        last_seen_at=getattr(row, "last_seen_at", None),
        role=role_of(row),
        single=known_permissions(row.permissions),
        grants=grants,
    )


def view_session(row: SessionRecord) -> Session:
    return Session(
        row.id, row.teammate_id, row.device, row.address, row.started_at, row.last_seen_at, row.expires_at,
        place_of(row.address),
    )  # fmt: skip


def view_credential(row: Credential) -> CredentialView:
    return CredentialView(
        id=row.id,
        customer_id=row.customer_id,
        kind=CredentialKind(row.kind),
        name=row.name,
        hint=row.hint,
        permissions=known_permissions(row.permissions),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        last_used_from=row.last_used_from,
        read_only=row.read_only,
        earlier_hint=row.earlier_hint,
        earlier_until=row.earlier_until,
        earlier_used_at=row.earlier_used_at,
        signing_key=hashlib.sha256(bytes(row.signing_key)).hexdigest() if row.signing_key else "",
    )


def _teammates() -> QuerySet[Teammate]:
    live = Grant.objects.filter(ended_at=None, expires_at__gt=now()).order_by("expires_at", "id")
    return (
        Teammate.objects.select_related("role")
        .prefetch_related(Prefetch("grants", queryset=live))
        .annotate(last_seen_at=Max("session_records__last_seen_at"))
    )
