"""Unsubscribe tokens: which customer and which delivery, sealed so that nobody can read or make one.

AES-SIV (RFC 5297) under a key of the service: 64 characters that depend on nothing but the two ids, so that nothing
needs to be stored, the same message always has the same link, and a changed character opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_TOKEN = re.compile(r"[A-Za-z0-9_-]{64}")
_ABOUT = [b"misentinel unsubscribe 1"]


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESSIV:
    return AESSIV(key)


def unsubscribe_token(key: bytes, customer_id: UUID, delivery_id: UUID) -> str:
    """Returns the token of a delivery. `key` is 32 bytes."""
    sealed = _cipher(key).encrypt(customer_id.bytes + delivery_id.bytes, _ABOUT)
    return base64.urlsafe_b64encode(sealed).decode("ascii")


def read_unsubscribe_token(key: bytes, token: str) -> tuple[UUID, UUID] | None:
    """Returns (customer, delivery), or None for anything that was not made with `key`."""
    if not _TOKEN.fullmatch(token):
        return None
    try:
        opened = _cipher(key).decrypt(base64.urlsafe_b64decode(token), _ABOUT)
    except (InvalidTag, binascii.Error):
        return None
    return UUID(bytes=opened[:16]), UUID(bytes=opened[16:])
