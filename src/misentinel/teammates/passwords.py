"""Passwords by NIST SP 800-63B-4: long, any characters, no composition rules, never the obvious ones.

argon2id is the only hasher (`PASSWORD_HASHERS`). A password is normalised to NFKC first, so that the same keys
on another keyboard give the same password (SP 800-63B-4, 3.1.1.2).
"""

from __future__ import annotations

import unicodedata
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password, verify_password
from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    UserAttributeSimilarityValidator,
    validate_password,
)
from django.core.exceptions import ValidationError

from misentinel.kernel.errors import Invalid
from misentinel.teammates.models import Teammate

SHORTEST = 15
LONGEST = 256
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "1234567890qwertyuiopasdfghjklzxcvbnm")
_VALIDATORS: list[Any] = [
    CommonPasswordValidator(),
    UserAttributeSimilarityValidator(user_attributes=("email", "name"), max_similarity=0.6),
]


def normalise(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def digest(teammate: Teammate, password: str) -> str:
    """Returns the argon2id digest. Raises `Invalid`, saying how the password falls short."""
    password = normalise(password)
    if len(password) < SHORTEST:
        raise Invalid(f"This password has {len(password)} characters; it needs at least {SHORTEST}.")
    if len(password) > LONGEST:
        raise Invalid(f"This password has {len(password)} characters; it may have at most {LONGEST}.")
    if len(set(password)) < 5:
        raise Invalid("This password repeats the same few characters. Choose one with more variety.")
    if _is_plain(password.casefold()):
        raise Invalid("This password is a plain run or one word repeated. A few unrelated words make a good one.")
    try:
        validate_password(password, teammate, _VALIDATORS)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from None
    return make_password(password)


def _is_plain(password: str) -> bool:
    """Whether it is one piece repeated ("passwordpassword"), or a run of alphabet, digits or keyboard, either way."""
    if password in (password + password)[1:-1]:
        return True
    return any(password in run * (2 + len(password) // len(run)) for each in _RUNS for run in (each, each[::-1]))


def matches(teammate: Teammate | None, password: str) -> bool:
    """Says whether `password` is theirs. Takes as long for nobody, or for one without a password, as for anyone."""
    candidate = normalise(password)
    if len(candidate) > LONGEST:
        # Nobody has such a password; its length must not buy work from us either.
        candidate, teammate = candidate[:LONGEST], None
    encoded = teammate.password if teammate is not None and teammate.may_sign_in else UNUSABLE_PASSWORD_PREFIX
    correct, _ = verify_password(candidate, encoded)
    return correct
