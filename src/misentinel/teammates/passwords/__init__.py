"""Passwords by NIST SP 800-63B-4 and ASVS 5.0: long, any characters, no composition rules, never the obvious ones.

A password is normalised to NFKC first, so that the same keys on another keyboard give the same password
(SP 800-63B-4, 3.1.1.2). `strength` judges a new one, `hashing` keeps it, `blocklist` knows
what leaked elsewhere.
"""

from __future__ import annotations

import logging
import unicodedata

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password, verify_password

from misentinel.customers.queries import get_customer
from misentinel.kernel.actor import OPERATOR_ID
from misentinel.kernel.errors import Invalid, Unavailable
from misentinel.teammates.models import Teammate
from misentinel.teammates.passwords.blocklist import leaked
from misentinel.teammates.passwords.strength import LONGEST, SHORTEST, require_strong

__all__ = ["LONGEST", "SHORTEST", "digest", "known_to_have_leaked", "matches", "normalise"]
_log = logging.getLogger(__name__)


def normalise(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def digest(teammate: Teammate, password: str) -> str:
    """Returns the digest to keep. Raises `Invalid`, saying how the password falls short."""
    typed, password = password, normalise(password)
    words: tuple[str, ...] = (teammate.name, teammate.email)
    if teammate.customer_id != OPERATOR_ID:  # which has no name to guess by
        customer = get_customer(teammate.customer_id)
        words += (customer.name, customer.slug)
    require_strong(password, words)
    if leaked(password, typed):
        raise Invalid("This password is in a list of passwords that leaked elsewhere. Choose one that only you know.")
    return make_password(password)


def known_to_have_leaked(password: str) -> bool:
    """Says whether a password that somebody uses is in the breach corpus. A broken corpus keeps nobody out."""
    try:
        return leaked(normalise(password), password)
    except Unavailable as error:
        _log.error("a password in use was not looked up: %s", error.message)
        return False


def matches(teammate: Teammate | None, password: str) -> bool:
    """Says whether `password` is theirs. Takes as long for nobody, or for one without a password, as for anyone."""
    candidate = normalise(password)
    if len(candidate) > LONGEST:
        # Nobody has such a password; its length must not buy work from us either.
        candidate, teammate = candidate[:LONGEST], None
    encoded = teammate.password if teammate is not None and teammate.may_sign_in else UNUSABLE_PASSWORD_PREFIX
    correct, _ = verify_password(candidate, encoded)
    return correct
