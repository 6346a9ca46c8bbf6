"""A key's secret is replaced while programs run, and what its requests must be signed with is chosen."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid
from misentinel.teammates import rules
from misentinel.teammates.actions.credentials import PREFIX, hint_of, lock_credential
from misentinel.teammates.actions.inviting import held_by
from misentinel.teammates.contracts import CredentialKind, NewCredential
from misentinel.teammates.key_form import new_secret
from misentinel.teammates.queries.holding import known_permissions
from misentinel.teammates.queries.lists import view_credential
from misentinel.teammates.queries.principals import digest_of
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)
_LONGEST_PEM = 4096


def rotate_credential(
    actor: Actor, customer_id: UUID, credential_id: UUID, *, overlap: timedelta = OVERLAP
) -> NewCredential:
    """Gives a key a new secret at once; the earlier one works for `overlap` more, or not at all for 0.

    At most two secrets ever work: a rotation within an overlap ends the oldest. Raises `Refused` for whoever could not
    have made this key (they would hold a secret that may do more than they), `Conflict` for one that ended.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Invalid(f"The earlier secret can be kept for {LONGEST_OVERLAP.days} days at the most.")
    with transaction.atomic():
        row = lock_credential(customer_id, credential_id)
        kind, at = CredentialKind(row.kind), now()
        if row.expires_at is not None and row.expires_at <= at:
            raise Conflict("This key has expired, and a new secret would have too. Make a new key.")
        if kind is CredentialKind.API_TOKEN:
            rules.require_grantable(held_by(actor, customer_id), frozenset(), known_permissions(row.permissions))
        secret = new_secret(PREFIX[kind])
        row.earlier_digest, row.earlier_hint = row.digest, row.hint
        row.earlier_until, row.earlier_used_at = at + overlap, row.last_used_at
        row.digest, row.hint = digest_of(secret), hint_of(secret)
        row.save()
        record_control(
            actor, Tag.CREDENTIAL_ROTATE, customer_id=customer_id, object_kind="credential", object_id=row.id,
            details={"overlap_seconds": int(overlap.total_seconds())},
        )  # fmt: skip
    return NewCredential(view_credential(row), secret)


def end_overlap(actor: Actor, customer_id: UUID, credential_id: UUID) -> None:
    """Ends the earlier secret before its time. Raises `Conflict` where none works any more."""
    with transaction.atomic():
        row = lock_credential(customer_id, credential_id)
        at = now()
        if row.earlier_until is None or row.earlier_until <= at:
            raise Conflict("This key has no earlier secret that still works.")
        row.earlier_until = at
        row.save(update_fields=["earlier_until"])
        record_control(
            actor, Tag.CREDENTIAL_REVOKE, customer_id=customer_id, object_kind="credential", object_id=row.id,
            details={"secret": "earlier"},
        )  # fmt: skip


def set_signing_key(actor: Actor, customer_id: UUID, credential_id: UUID, pem: str | None) -> None:
    """Has every request of a key signed by the holder of this Ed25519 public key (PEM); None asks for no signature.

    Raises `Invalid` for anything else than such a key.
    """
    public = None if pem is None else read_public_key(pem)
    with transaction.atomic():
        row = lock_credential(customer_id, credential_id)
        row.signing_key = public
        row.save(update_fields=["signing_key"])
        record_control(
            actor, Tag.CREDENTIAL_ROTATE, customer_id=customer_id, object_kind="credential", object_id=row.id,
            details={"signing_key": "removed" if public is None else "set"},
        )  # fmt: skip


def read_public_key(pem: str) -> bytes:
    """Returns the 32 bytes of an Ed25519 public key in PEM."""
    if "PRIVATE KEY" in pem:
        raise Invalid(
            "This is a private key: keep it where the program runs, and give its public half "
            "(openssl pkey -in key.pem -pubout). Make a new pair if you have shown it to others."
        )
    try:
        key = load_pem_public_key(pem.strip().encode()) if len(pem) <= _LONGEST_PEM else None
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid("A signing key is an Ed25519 public key in PEM: it begins with -----BEGIN PUBLIC KEY-----.")
    return key.public_bytes_raw()
