"""Who stands behind a session or a key, read afresh for every request, so that any change holds from the next one on.

Nothing here is cached. One query answers for a session, one for a key; a second one notes its use once a minute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef, QuerySet

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.clock import now
from misentinel.store.prepared import PreparedQuery
from misentinel.teammates.contracts import ANONYMOUS, Principal
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models import Credential, Passkey, SessionRecord
from misentinel.teammates.queries.holding import held_now, known_permissions, live_grants
from misentinel.teammates.queries.limits import limits, limits_of
from misentinel.teammates.queries.turning import factors_of, turn_of

_NOTE_USE_EVERY = timedelta(minutes=1)


def principal_of_session(session_id: UUID | None, turn: int = 0, *, used: bool = True) -> Principal:
    """Returns the teammate whose session this is; `ANONYMOUS` for none, unusable with its reason where it ended.

    `turn` is what the cookie was handed out with; an earlier one than the session's opens nothing any more. `used` is
    false for what a page asks by itself: it must not keep alive a session that nobody uses.
    """
    if session_id is None:
        return ANONYMOUS
    record = _SESSION.first(session_id, now())
    if record is None:
        return ANONYMOUS
    teammate = record.teammate
    held = held_now(teammate, record.grants_now)  # type: ignore[attr-defined]  # annotated by `_session`
    why_not, moved = _why_session_is_over(record, turn), None
    if not why_not:
        moved = turn_of(record, held)
        why_not = "session_key_changed" if moved is None else ""
    if not why_not and used:
        _note_use(record)
    if teammate.actor_kind is ActorKind.OPERATOR:
        return _operator(record, why_not, turn if moved is None else moved)
    return Principal(
        kind=ActorKind.TEAMMATE,
        id=str(teammate.id),
        customer_id=teammate.customer_id,
        permissions=held,
        usable=not why_not,
        why_not=why_not,
        credential=str(record.id),
        proved_at=record.proved_at,
        turn=turn if moved is None else moved,
    )


def _operator(record: SessionRecord, why_not: str, turn: int) -> Principal:
    """One of the operator's staff: inside a customer only by an access of their own that is live at this moment."""
    access = record.inside
    if access is not None and access.operator_id != record.teammate_id:
        access = None
    opens = access is not None and access.state is AccessState.LIVE and not why_not
    return Principal(
        kind=ActorKind.OPERATOR,
        id=str(record.teammate_id),
        customer_id=access.customer_id if access and opens else None,
        permissions=known_permissions(access.permissions) if access and opens else frozenset(),
        usable=not why_not,
        why_not=why_not or ("access_over" if access and not opens else ""),
        credential=str(record.id),
        proved_at=record.proved_at,
        turn=turn,
        access=str(access.id) if access else "",
        read_only=access.looks_only if access else False,
        told_to=access.customer_id if access else None,
    )


def unproven(credential_id: UUID, public_key: bytes) -> str:
    """The proof of possession of whoever offers none. Fails closed where nobody looked at the request."""
    return "unsigned"


def principal_of_secret(secret: str, *, network: str = "", prove: Callable[[UUID, bytes], str] = unproven) -> Principal:
    """Returns the key's principal; `ANONYMOUS` for an unknown one, unusable with its reason for one that ended.

    A key with a signing key is usable only if `prove(credential_id, public_key)` finds nothing wrong with the
    request, so returns "". `network` is where the request came from, kept as where the key was last used; nothing is
    decided by it.
    """
    digest = digest_of(secret)
    found = _KEY.first(digest, now())
    earlier = found is None
    if found is None:
        found = _EARLIER_KEY.first(digest, now())
    if found is None:
        return ANONYMOUS
    why_not = _why_key_is_over(found, earlier=earlier)
    if not why_not and found.signing_key is not None:
        why_not = prove(found.id, bytes(found.signing_key))
    if not why_not:
        _note_key_use(found, network, earlier=earlier)
    return Principal(
        kind=ActorKind(found.kind),
        id=str(found.id),
        customer_id=found.customer_id,
        permissions=known_permissions(found.permissions),
        usable=not why_not,
        why_not=why_not,
        credential=str(found.id),
        read_only=found.read_only,
    )


def digest_of(secret: str) -> bytes:
    """SHA-256: the secrets are 256 random bits, so there is nothing to guess that a slow hash would protect."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _session(session_id: UUID) -> QuerySet[SessionRecord]:
    authenticator = Authenticator.objects.filter(user_id=OuterRef("teammate_id"), type=Authenticator.Type.TOTP)
    passkey = Passkey.objects.filter(teammate_id=OuterRef("teammate_id"))
    return (
        SessionRecord.objects.select_related("teammate__role", "inside")
        .annotate(has_factor=Exists(authenticator) | Exists(passkey), grants_now=live_grants("teammate_id"))
        .annotate(**factors_of("teammate_id"), **limits("teammate__customer_id"))
        .filter(id=session_id)
    )


_SESSION = PreparedQuery(_session, UUID("0f0f0f0f-0f0f-7f0f-8f0f-0f0f0f0f0f0f"))
_KEY = PreparedQuery(lambda digest: Credential.objects.filter(digest=digest), b"a digest stands here, 32 bytes..")
_EARLIER_KEY = PreparedQuery(
    lambda digest: Credential.objects.filter(earlier_digest=digest), b"a digest stands here, 32 bytes.."
)


def _why_session_is_over(record: SessionRecord, turn: int) -> str:
    teammate = record.teammate
    at, lasting = now(), limits_of(record)
    reasons = {
        "session_revoked": record.ended_at is not None,
        "session_key_changed": record.turn != turn,
        "session_expired": record.expires_at <= at or record.started_at <= at - lasting.absolute,
        "session_idle": record.last_seen_at <= at - lasting.idle,
        "suspended": teammate.suspended_at is not None,
        "not_enrolled": teammate.enrolled_at is None,
        "no_second_factor": not record.has_factor,  # type: ignore[attr-defined]  # annotated above
        "password_compromised": teammate.password_compromised_at is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _why_key_is_over(found: Credential, *, earlier: bool) -> str:
    at = now()
    reasons = {
        "revoked": found.revoked_at is not None,
        "expired": found.expires_at is not None and found.expires_at <= at,
        "rotated": earlier and (found.earlier_until is None or found.earlier_until <= at),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _note_key_use(found: Credential, network: str, *, earlier: bool) -> None:
    noted = found.earlier_used_at if earlier else found.last_used_at
    if noted is not None and noted >= now() - _NOTE_USE_EVERY:
        return
    use: dict[str, Any] = {"last_used_at": now(), "last_used_from": network}
    if earlier:
        use["earlier_used_at"] = now()
    Credential.objects.filter(pk=found.pk).update(**use)


def _note_use(record: SessionRecord) -> None:
    if record.last_seen_at < now() - _NOTE_USE_EVERY:
        SessionRecord.objects.filter(pk=record.pk).update(last_seen_at=now())
