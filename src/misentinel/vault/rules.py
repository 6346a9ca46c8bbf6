"""The pure part of the vault: the sealed format, and how text becomes comparable before it becomes a token.

A sealed value is `version (1) ‖ commitment (32) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag`. The commitment is
derived from the key beside the encryption key, because GCM alone lets somebody craft one ciphertext that opens under
two keys (Len, Grubbs, Ristenpart, "Partitioning Oracle Attacks", USENIX Security 2021).
docs/decisions/keys-and-sealing.md says why each part is as it is.
"""

from __future__ import annotations

import hmac
import os
import re
import unicodedata
from collections.abc import Iterable
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from misentinel.kernel.errors import Tampered

KEY_BYTES = 32
OVERHEAD = 1 + 32 + 12 + 16

PREFIX_SHORTEST, PREFIX_LONGEST = 2, 12
MOST_WORDS = 8

_VERSION = b"\x01"
_NONCE_AT = 33
_TEXT_AT = 45
_WORD = re.compile(r"[^\W_]+")


class Cipher:
    """Seals and opens under one 256-bit key. Derives once, so keep it for as long as the key may be kept.

    The nonce is random: one key may seal 2^32 values (NIST SP 800-38D, 8.3), which no person's key comes near.
    """

    __slots__ = ("_aead", "_commitment", "_header")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("A key is 32 bytes.")
        # The key is uniformly random, so HKDF's extract step has nothing to do (RFC 5869, 3.3).
        derived = HKDFExpand(SHA256(), 64, b"misentinel sealed value 1").derive(key)
        self._aead = AESGCM(derived[:32])
        self._commitment = derived[32:]
        self._header = _VERSION + self._commitment

    def seal(self, associated: bytes, plaintext: bytes) -> bytes:
        nonce = os.urandom(12)
        return self._header + nonce + self._aead.encrypt(nonce, plaintext, associated)

    def open(self, associated: bytes, sealed: bytes | memoryview) -> bytes:
        """Raises `Tampered` for a wrong key, a wrong place, a changed byte or a missing one, and never says which."""
        sealed = bytes(sealed)
        if len(sealed) < OVERHEAD or sealed[:1] != _VERSION:
            _refuse()
        if not hmac.compare_digest(sealed[1:_NONCE_AT], self._commitment):
            _refuse()
        try:
            return self._aead.decrypt(sealed[_NONCE_AT:_TEXT_AT], sealed[_TEXT_AT:], associated)
        except InvalidTag:
            _refuse()

    def __repr__(self) -> str:
        return "Cipher(key hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key does not leave the process that unwrapped it.")


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def derive(key: bytes, purpose: str, length: int = KEY_BYTES) -> bytes:
    """Returns the key for `purpose` under a uniformly random `key`: different purposes never share one."""
    return HKDFExpand(SHA256(), length, b"misentinel purpose 1" + framed(purpose)).derive(key)


def framed(*parts: str) -> bytes:
    """Returns the parts, each with its length before it, so that no two lists of parts are the same bytes."""
    return b"".join([frame(part.encode("utf-8", "surrogatepass")) for part in parts])


def frame(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def normalised(text: str) -> str:
    """Returns `text` so that what a person would call equal is equal: NFKC, case folded, no outer blanks."""
    if text.isascii():
        return text.lower().strip()
    # Folding can undo the normal form, so it is restored (Unicode 15, 3.13, R5).
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def words(text: str) -> list[str]:
    """Returns the first distinct words of `text` for searching: normalised, without accents, at the most eight."""
    found = _WORD.findall(_without_accents(normalised(text)))
    return list(dict.fromkeys(word for word in found if len(word) >= PREFIX_SHORTEST))[:MOST_WORDS]


def prefixes(found: Iterable[str]) -> list[str]:
    """Returns every beginning of the words, 2 to 12 characters long, each once."""
    return list(
        dict.fromkeys(
            word[:length] for word in found for length in range(PREFIX_SHORTEST, min(len(word), PREFIX_LONGEST) + 1)
        )
    )


def domain_of(text: str) -> str:
    """Returns what follows the last @ of an address, or the domain itself if it was given bare."""
    return normalised(text).rpartition("@")[2].rstrip(".")


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    return "".join([c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)])


def _refuse() -> NoReturn:
    raise Tampered("A sealed value does not open: it was changed, moved, or sealed under another key.") from None
