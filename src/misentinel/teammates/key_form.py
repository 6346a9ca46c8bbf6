"""How a key is spelt, so that a scanner of published code knows one when it sees it and can check it offline.

Four characters say what it is (`mst_` an API token, `msw_` a write key), 43 of base 62 hold 256 random bits, and the
last six are the CRC-32 of everything before them in base 62. The checksum keeps random text from being taken for a
key; it protects nothing. docs/guide/keys.md tells it to whoever writes scanners.
"""

from __future__ import annotations

import re
import secrets
import zlib

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM = 6  # 62 ** 6 > 2 ** 32
PATTERN = re.compile(rf"ms[a-z]_[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}")


def new_secret(prefix: str) -> str:
    """Returns a new key of 53 characters that begins with `prefix`."""
    body = prefix + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_well_spelt(text: str) -> bool:
    """Says whether `text` has the form and the checksum of a key. Whether it opens anything is not said."""
    return PATTERN.fullmatch(text) is not None and text[-_CHECKSUM:] == _checksum(text[:-_CHECKSUM])


def _checksum(body: str) -> str:
    rest, found = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
