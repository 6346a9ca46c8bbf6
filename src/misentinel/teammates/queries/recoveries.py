"""Open requests of teammates who lost their factors, as their pages show them."""

from __future__ import annotations

import hmac
from uuid import UUID

from django.db.models import QuerySet

from misentinel.kernel.clock import now
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import RecoveryView
from misentinel.teammates.models import RecoveryRequest
from misentinel.teammates.queries.principals import digest_of
from misentinel.vault.queries import service_key


def find_recovery(customer_id: UUID, teammate_id: UUID) -> RecoveryView | None:
    """Returns the teammate's open request, for whoever decides on it."""
    return _view(open_requests().filter(teammate_id=teammate_id, teammate__customer_id=customer_id).first())


def recovery_by_link(token: str) -> RecoveryView | None:
    """Returns the open request whose asker holds this token."""
    return _view(open_requests().filter(token_digest=digest_of(token)).first())


def recovery_to_stop(token: str) -> RecoveryView | None:
    """Returns the open request that a notice's link stops."""
    request_id = parse_id(token.partition(".")[0])
    if request_id is None or not hmac.compare_digest(stop_token(request_id).encode(), token.encode()):
        return None
    return _view(open_requests().filter(id=request_id).first())


def stop_token(request_id: UUID) -> str:
    """Nothing to keep: whoever holds the vault's key can make it again, nobody else can make one."""
    return f"{request_id}.{hmac.digest(service_key('recovery stop'), request_id.bytes, 'sha256').hex()}"


def open_requests() -> QuerySet[RecoveryRequest]:
    return RecoveryRequest.objects.select_related("teammate").filter(
        ended_at=None, expires_at__gt=now(), teammate__suspended_at=None
    )


def _view(row: RecoveryRequest | None) -> RecoveryView | None:
    if row is None:
        return None
    return RecoveryView(
        id=row.id, teammate_id=row.teammate_id, customer_id=row.teammate.customer_id, email=row.teammate.email,
        device=row.device, address=row.address, asked_at=row.asked_at, opens_at=row.opens_at, at=now(),
    )  # fmt: skip
