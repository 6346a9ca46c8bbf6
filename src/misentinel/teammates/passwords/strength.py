"""Whether a password is hard to guess, judged by what somebody would try who knows the person and the place.

No rule asks for kinds of characters and nothing expires (SP 800-63B-4, 3.1.1.2): length, unlikeness to what
is known, and an estimate of how many guesses it would stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from zxcvbn_rs_py import zxcvbn

from misentinel.kernel.errors import Invalid

SHORTEST = 15
LONGEST = 256
LEAST_SCORE = 3
"""zxcvbn's 3: more than 10⁸ guesses, "safely unguessable" where guessing is slowed (Wheeler, USENIX Security 2016)."""

_ESTIMATED = 72  # the estimate's cost grows faster than the length; what the first 72 characters are worth is enough
_SERVICE_WORDS = ("misentinel", "sentinel")
_SHORTEST_WORD = 4
_LEAST_OF_ITS_OWN = 8
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "1234567890qwertyuiopasdfghjklzxcvbnm")
_COMMON = CommonPasswordValidator()


def require_strong(password: str, known: Iterable[str]) -> None:
    """Raises `Invalid`, saying how `password` (in NFKC) falls short. `known` are names, addresses, words of the place.

    The service's own name counts as known.
    """
    words = words_of([*known, *_SERVICE_WORDS])
    if len(password) < SHORTEST:
        raise Invalid(f"This password has {len(password)} characters; it needs at least {SHORTEST}.")
    if len(password) > LONGEST:
        raise Invalid(f"This password has {len(password)} characters; it may have at most {LONGEST}.")
    if len(set(password)) < 5:
        raise Invalid("This password repeats the same few characters. Choose one with more variety.")
    if _is_plain(password.casefold()):
        raise Invalid("This password is a plain run or one word repeated. A few unrelated words make a good one.")
    if _is_common(password):
        raise Invalid("This password is on the list of common ones. A few unrelated words make a good one.")
    if _is_made_of(password, words):
        raise Invalid("This password is too similar to your name, your address or this place. Choose unrelated words.")
    told = zxcvbn(password[:_ESTIMATED], words)
    if int(told.score) < LEAST_SCORE:
        why = str(told.feedback.warning).strip() if told.feedback and told.feedback.warning else ""
        raise Invalid(
            f"This password would be guessed soon. {why} A few unrelated words make a good one.".replace("  ", " ")
        )


def words_of(known: Iterable[str]) -> list[str]:
    """Returns the words in names and addresses that are long enough to be recognised: casefolded, each once."""
    found = {word for text in known for word in re.split(r"[\W_\d]+", text.casefold()) if len(word) >= _SHORTEST_WORD}
    return sorted(found, key=lambda word: (-len(word), word))


def _is_plain(password: str) -> bool:
    """Whether it is one piece repeated ("passwordpassword"), or a run of alphabet, digits or keyboard, either way."""
    if password in (password + password)[1:-1]:
        return True
    return any(password in run * (2 + len(password) // len(run)) for each in _RUNS for run in (each, each[::-1]))


def _is_common(password: str) -> bool:
    try:
        _COMMON.validate(password)
    except ValidationError:
        return True
    return False


def _is_made_of(password: str, words: list[str]) -> bool:
    """Whether little is left of it, in letters and digits, once every word that is known about its owner is gone."""
    rest = password.casefold()
    for word in words:
        rest = rest.replace(word, " ")
    changed = rest != password.casefold()
    return changed and len(re.sub(r"[\W_]", "", rest)) < _LEAST_OF_ITS_OWN
