"""What crosses the vault's border: places, keys that seal and open, tokens, tombstones. No key material shows in any.

Trust: whoever holds one of these objects can read or imitate one person, or one customer. They stay in the process
that asked for them: they cannot be pickled, and their repr names only ids.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NoReturn
from uuid import UUID

from misentinel.vault import rules

CACHE_SECONDS = 30
"""How long a process may go on using a key that another process destroyed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value is kept. Moved anywhere else it does not open. A row's UUID and its text are one row."""

    table: str
    column: str
    row: UUID | str


class PersonKey:
    """One person's key. Destroy it in the vault and every copy of what it sealed, wherever it lies, is noise."""

    __slots__ = ("_cipher", "_subject", "customer_id", "person_id")

    def __init__(self, customer_id: UUID, person_id: UUID, key: bytes) -> None:
        self.customer_id = customer_id
        self.person_id = person_id
        self._cipher = rules.Cipher(key)
        self._subject = rules.framed(str(customer_id), str(person_id))

    def seal(self, place: Place, plaintext: bytes) -> bytes:
        """Returns `plaintext` sealed for `place`, 61 bytes longer, different every time."""
        return self._cipher.seal(self._associated(place), plaintext)

    def open(self, place: Place, sealed: bytes | memoryview) -> bytes:
        """Returns what was sealed for `place`. Raises `Tampered` if anything at all is not as it was."""
        return self._cipher.open(self._associated(place), sealed)

    def _associated(self, place: Place) -> bytes:
        row = str(place.row).encode("utf-8", "surrogatepass")
        return self._subject + _framed_column(place.table, place.column) + len(row).to_bytes(4, "big") + row

    def __repr__(self) -> str:
        return f"PersonKey(customer_id={self.customer_id}, person_id={self.person_id}, key hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key does not leave the process that unwrapped it.")


class Tokens:
    """One customer's one-way tokens: equal text in the same field is the same token, and nothing else is told.

    HMAC-SHA-256 under the customer's own key, cut to 128 bits, as 22 characters of unpadded base64url. Field and
    value are framed, and each kind of token is apart from the others. Whoever has the database without the vault can
    see that two rows agree, not on what.
    """

    __slots__ = ("_key", "customer_id")

    def __init__(self, customer_id: UUID, key: bytes) -> None:
        if len(key) != rules.KEY_BYTES:
            raise ValueError("A key is 32 bytes.")
        self.customer_id = customer_id
        self._key = key

    def value(self, field: str, text: str) -> str:
        return self._token(_framed_field("value", field), rules.normalised(text))

    def bits(self, field: str, text: str) -> bytes:
        """Returns the 128 bits that `value` spells, for a column that holds nothing else."""
        return self._digest(_framed_field("value", field), rules.normalised(text))

    def email(self, text: str) -> str:
        return self._token(_EMAIL, rules.normalised(text))

    def domain(self, text: str) -> str:
        """Returns the token of an address's domain, or of a domain given bare."""
        return self._token(_DOMAIN, rules.domain_of(text))

    def prefixes(self, field: str, text: str) -> list[str]:
        """Returns the tokens to index, so that words can be found by how they begin: 2 to 12 characters of the
        first eight words, at the most 88 tokens.
        """
        framed = _framed_field("prefix", field)
        return [self._token(framed, prefix) for prefix in rules.prefixes(rules.words(text))]

    def search(self, field: str, text: str) -> list[str]:
        """Returns the tokens to look for, one for each word typed: all of them must be among a row's `prefixes`."""
        framed = _framed_field("prefix", field)
        return [self._token(framed, word[: rules.PREFIX_LONGEST]) for word in rules.words(text)]

    def _token(self, framed_field: bytes, text: str) -> str:
        return b2a_base64(self._digest(framed_field, text))[:22].translate(_URL_SAFE).decode("ascii")

    def _digest(self, framed_field: bytes, text: str) -> bytes:
        value = text.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, framed_field + len(value).to_bytes(4, "big") + value, "sha256")[:16]

    def __repr__(self) -> str:
        return f"Tokens(customer_id={self.customer_id}, key hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key does not leave the process that unwrapped it.")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a key: whose it was and since when it is gone.

    `gone_everywhere_at` is when the last process that may have had it in memory has surely dropped it.
    """

    customer_id: UUID
    person_id: UUID | None
    destroyed_at: datetime
    gone_everywhere_at: datetime


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_EMAIL, _DOMAIN = rules.framed("email", ""), rules.framed("domain", "")


@lru_cache(maxsize=1024)
def _framed_column(table: str, column: str) -> bytes:
    return rules.framed(table, column)


@lru_cache(maxsize=4096)
def _framed_field(kind: str, field: str) -> bytes:
    return rules.framed(kind, field)
