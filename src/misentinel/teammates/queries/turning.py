"""A new session key whenever what its teammate can do has changed, whoever and whatever changed it.

Nobody has to remember to call anything: a digest of the permissions that count, of the factors, of the password and
of the address is compared at each request. The first request that sees a difference moves the session to its next
turn, and its answer carries the new cookie; every copy of the old one is dead from then on (ASVS 5.0, 7.2.4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from allauth.mfa.models import Authenticator
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import Passkey, SessionRecord, Teammate


def factors_of(teammate: str) -> dict[str, ArraySubquery]:
    """Annotations: the ids of the factors that the row's teammate has enrolled."""
    authenticators = Authenticator.objects.filter(user_id=OuterRef(teammate)).order_by("pk")
    passkeys = Passkey.objects.filter(teammate_id=OuterRef(teammate)).order_by("pk")
    return {
        "authenticators": ArraySubquery(authenticators.values("pk")),
        "passkey_ids": ArraySubquery(passkeys.values("pk")),
    }


def turn_of(record: SessionRecord, held: Iterable[Permission]) -> int | None:
    """Returns the turn that the browser's cookie must be of from this answer on; None if another request that showed
    the same cookie at the same moment was quicker."""
    factors = [*record.authenticators, *record.passkey_ids]  # type: ignore[attr-defined]  # annotated by `factors_of`
    current = _digest(record.teammate, held, factors)
    if record.privileges == current:
        return record.turn
    same = SessionRecord.objects.filter(pk=record.pk, turn=record.turn, privileges=record.privileges)
    if not record.privileges:  # the first request of all only writes down what it found
        same.update(privileges=current)
        return record.turn
    return record.turn + 1 if same.update(privileges=current, turn=record.turn + 1) else None


def _digest(teammate: Teammate, held: Iterable[Permission], factors: Iterable[object]) -> str:
    parts = [teammate.password, teammate.email, *map(str, factors), *sorted(held)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
