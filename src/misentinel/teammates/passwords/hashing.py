"""How passwords are kept: argon2id over HMAC-SHA-512 under a key that only the vault has.

A stolen table is useless without the vault: there is nothing to compare a guess with until the pepper is known
(SP 800-63B-4, 3.1.1.2, asks for exactly this keyed hash, its key kept apart).
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from django.contrib.auth.hashers import Argon2PasswordHasher

from misentinel.vault.queries import service_key

_PEPPER = "password pepper"

ASVS_FLOOR = {1: 47_104, 2: 19_456, 3: 12_288}
"""Passes → least memory in KiB, one lane: OWASP ASVS 5.0, appendix C, "Hash Functions for Password Storage"."""


class PepperedArgon2id(Argon2PasswordHasher):
    """argon2id with three passes over 64 MiB in one lane.

    Passes and memory are the second recommendation of RFC 9106, section 4: more than five times the floor of ASVS 5.0
    for three passes, and above its floors for one and two. One lane as ASVS names it, so that a sign-in keeps
    one core busy and not all of them.
    """

    algorithm = "peppered_argon2id"
    time_cost = 3
    memory_cost = 65_536
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        encoded: str = super().encode(_peppered(password), salt)
        return encoded

    def verify(self, password: str, encoded: str) -> bool:
        return super().verify(_peppered(password), encoded)


def _peppered(password: str) -> str:
    """Base64 of 64 bytes, whatever the length of the password."""
    digest = hmac.new(service_key(_PEPPER), password.encode("utf-8", "surrogatepass"), hashlib.sha512).digest()
    return base64.b64encode(digest).decode()
