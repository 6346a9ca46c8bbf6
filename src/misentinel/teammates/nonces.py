"""A signed request is taken once: its nonce is remembered, for all processes, for as long as its signature counts.

Keyed by the credential, so nobody can spend another's. What is stored is a digest: nonces are the caller's words.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

from misentinel.kernel.clock import now
from misentinel.teammates.models import SpentNonce

SIGNATURE_LIFE = timedelta(minutes=5)
_REMEMBERED = 3 * SIGNATURE_LIFE  # longer than any signature counts, whatever the skew of the clocks


def spend(credential_id: UUID, nonce: str) -> bool:
    """Returns True for the first who shows this nonce, False for everyone after, whichever process they reach."""
    digest = hashlib.sha256(nonce.encode("utf-8", "surrogatepass")).digest()
    row = SpentNonce(credential_id=credential_id, digest=digest, at=now())
    SpentNonce.objects.bulk_create([row], ignore_conflicts=True)
    return SpentNonce.objects.filter(pk=row.pk).exists()


def forget_old() -> int:
    """Deletes nonces whose signatures are too old to count. Returns how many."""
    deleted, _ = SpentNonce.objects.filter(at__lt=now() - _REMEMBERED).delete()
    return deleted
