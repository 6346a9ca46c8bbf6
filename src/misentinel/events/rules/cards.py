"""Finding payment card numbers in a JSON item, so that none is ever stored.

A card number is what ISO/IEC 7812 makes it: an issuer's prefix, a length that the issuer uses, and the
Luhn check digit. It is found in strings, numbers and keys; with up to three separators between groups
(spaces, dashes, dots, slashes, zero-width and combining characters); in the digits of any script; and
under one level of URL or base64 encoding. It is *not* found inside a longer run of digits, in UUIDs and
digests, in decimal fractions, or in a phone number written with its plus.

Grouping: a number that is a whole run of digits and separators is found however it is grouped. Inside a
longer run (a card followed by its expiry date, say) it is found when it is grouped as cards are printed;
otherwise every long list of small numbers would contain one by chance.

Known to be missed: a number written in words, spread over several fields, encoded twice or encrypted.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

SHORTEST, LONGEST = 12, 19

# Issuer ranges: digits of the prefix, first, last, lengths. From the networks' published tables.
_LONG = frozenset(range(16, 20))
_MAESTRO = frozenset(range(12, 20))
_RANGES: tuple[tuple[int, int, int, frozenset[int]], ...] = (
    (1, 4, 4, frozenset({13, 16, 19})),  # Visa
    (2, 51, 55, frozenset({16})),  # Mastercard
    (4, 2221, 2720, frozenset({16})),  # Mastercard
    (2, 34, 34, frozenset({15})),  # American Express
    (2, 37, 37, frozenset({15})),
    (3, 300, 305, frozenset({14, 16})),  # Diners Club
    (4, 3095, 3095, frozenset({14, 16})),
    (2, 36, 36, frozenset({14, 16})),
    (2, 38, 39, frozenset({14, 16})),
    (4, 6011, 6011, _LONG),  # Discover
    (3, 644, 649, _LONG),
    (2, 65, 65, _LONG),
    (4, 3528, 3589, _LONG),  # JCB
    (4, 1800, 1800, frozenset({15})),
    (4, 2131, 2131, frozenset({15})),
    (2, 62, 62, _LONG),  # UnionPay
    (4, 5018, 5018, _MAESTRO),  # Maestro
    (4, 5020, 5020, _MAESTRO),
    (4, 5038, 5038, _MAESTRO),
    (4, 5893, 5893, _MAESTRO),
    (4, 6304, 6304, _MAESTRO),
    (4, 6759, 6759, _MAESTRO),
    (4, 6761, 6763, _MAESTRO),
    (4, 2200, 2204, _LONG),  # Mir
)


def _lengths_by_prefix() -> dict[str, frozenset[int]]:
    """The ranges by the first four digits: a long list of small numbers asks a hundred thousand times."""
    found: dict[str, frozenset[int]] = {}
    for digits, first, last, lengths in _RANGES:
        rest = 10 ** (4 - digits)
        for prefix in range(first * rest, (last + 1) * rest):
            found[str(prefix)] = found.get(str(prefix), frozenset()) | lengths
    return found


_LENGTHS = _lengths_by_prefix()
_NONE: frozenset[int] = frozenset()

_ASCII_SEPARATORS = " -./_+\t\n\r"
_SEPARATING = frozenset({"Zs", "Zl", "Zp", "Cf", "Pd", "Pc", "Mn", "Me"})
_OTHER_SEPARATORS = frozenset("·•⁄∕／")

# What `unicodedata.digit` knows beyond the decimal digits that \d matches: ², ①, ❶ and their like.
_OTHER_DIGITS = (
    "\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490"
    "\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\U00010a40-\U00010a43\U00010e60-\U00010e68"
    "\U00011052-\U0001105a\U0001f100-\U0001f10a"
)


def find_card(item: Any, document: bytes) -> str | None:
    """Returns the JSON pointer (RFC 6901) of the first card number in `item`, or None.

    `document` is `item` as JSON in UTF-8 without needless escapes: it decides in microseconds that there
    is nothing to look at, which is so for nearly every item. Segments of the pointer that are not plain
    field names are shown as `*`, so that the pointer never carries a value.
    """
    if not _is_suspect(document) or not _is_suspect(_UUID_INSIDE.sub(b" ", document)):
        return None
    return _walk(item, "")


def has_card(text: str) -> bool:
    """Whether `text` contains a card number, as written or under one level of URL or base64 encoding."""
    if _has_plain_card(text):
        return True
    if "%" in text and _has_plain_card(unquote(text)):
        return True
    return any(_has_plain_card(said.decode(errors="ignore")) for said in _decoded(text.encode(), 15))


# The quick look: a superset of what the careful look finds, in a few passes at the speed of memory.

_TO_ZERO = bytes(0x30 if 0x30 <= code <= 0x39 else code for code in range(256))
_SKIPPED = (_ASCII_SEPARATORS + "\\tnr").encode() + bytes(range(128, 256))
_MANY_DIGITS = b"0" * SHORTEST
_ASCII = bytes(range(128))
_FOREIGN_DIGIT = re.compile(rf"[\d{_OTHER_DIGITS}]")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

_UUID_PATTERN = r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
_UUID_INSIDE = re.compile(_UUID_PATTERN.encode())


def _base64_of(allowed: bytes) -> frozenset[int]:
    """Returns the base64 characters that occur where only `allowed` bytes are encoded, however they are
    aligned.
    """
    pairs = [(first, second) for first in allowed for second in allowed]
    sextets = {first >> 2 for first in allowed} | {last & 63 for last in allowed}
    sextets |= {(first & 3) << 4 | second >> 4 for first, second in pairs}
    sextets |= {(first & 15) << 2 | second >> 6 for first, second in pairs}
    return frozenset(_BASE64[sextet] for sextet in sextets)


# Twelve digits with ASCII's separators make at least 15 base64 characters out of a few; with others, 18
# of any kind.
_ASCII_INSIDE = _base64_of(b"0123456789 -./+\t\n\r")
_TO_INSIDE = bytes(0x78 if code in _ASCII_INSIDE else 0x20 for code in range(256))
_INSIDE_RUN = b"x" * 15
_TO_BASE64 = bytes(0x78 if code in _BASE64 + b"_" else 0x2D if code == 0x2D else 0x20 for code in range(256))
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_UUID_RUN = b" xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx "


def _is_suspect(document: bytes) -> bool:
    if _MANY_DIGITS in document.translate(_TO_ZERO, _SKIPPED):
        return True
    if not document.isascii() and _FOREIGN_DIGIT.search(document.translate(None, _ASCII).decode()):
        return True
    if b"%" in document and _is_suspect_decoded(unquote_to_bytes(document)):
        return True
    return _INSIDE_RUN in document.translate(_TO_INSIDE) or any(_decoded(document, 18))


def _decoded(document: bytes, shortest: int) -> Iterator[bytes]:
    """Yields what the base64-shaped parts of `document` say, where that may be a card number.

    Each part is read at all four alignments, as it may begin with something else.
    """
    runs = document.translate(_TO_BASE64).replace(_UUID_RUN, b" " * len(_UUID_RUN)).replace(b"-", b"x")
    wanted = b"x" * shortest
    at = runs.find(wanted)
    while at >= 0:
        end = runs.find(b" ", at)
        end = end if end >= 0 else len(runs)
        token = document[at:end].translate(_TO_STANDARD)
        for start in range(4):
            said = binascii.a2b_base64(token[start:] + b"AAA"[: (start - len(token)) % 4])
            if _is_suspect_decoded(said):
                yield said
        at = runs.find(wanted, end)


def _is_suspect_decoded(document: bytes) -> bool:
    if _MANY_DIGITS in document.translate(_TO_ZERO, _SKIPPED):
        return True
    foreign = document.translate(None, _ASCII)
    return bool(foreign) and _FOREIGN_DIGIT.search(foreign.decode(errors="ignore")) is not None


# The careful look.

_PLAIN_NAME = re.compile(r"[A-Za-z$][A-Za-z_$. -]{0,63}(?:[0-9]{0,4})")
_UUID = re.compile(_UUID_PATTERN)
# Object ids and digests of 96 to 512 bits, in hexadecimal of one case and with letters in them.
_DIGEST = re.compile(
    r"(?<![0-9A-Za-z])(?=[0-9]*[A-Fa-f])(?:[0-9a-f]+|[0-9A-F]+)(?![0-9A-Za-z])",
)
_DIGEST_LENGTHS = frozenset({24, 32, 40, 48, 56, 64, 96, 128})
_LOOSE = re.compile(rf"[\d{_OTHER_DIGITS}](?:[^0-9A-Za-z]{{0,3}}[\d{_OTHER_DIGITS}]){{{SHORTEST - 1}}}")
_SEQUENCE = re.compile(r"[0-9]+(?:[ .+]{1,3}[0-9]+)*")
_PARTS = re.compile(r"[0-9]+|[ .+]+")


def _walk(value: Any, pointer: str) -> str | None:
    """Depth is bounded by the protocol, which refuses what is nested deeper than it allows."""
    if isinstance(value, str):
        return pointer if has_card(value) else None
    if isinstance(value, dict):
        for key, inner in value.items():
            if has_card(key):
                return f"{pointer}/*"  # an encoded number can look like a plain name
            found = _walk(inner, f"{pointer}/{key.replace('~', '~0') if _PLAIN_NAME.fullmatch(key) else '*'}")
            if found is not None:
                return found
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found = _walk(inner, f"{pointer}/{index}")
            if found is not None:
                return found
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return pointer if _is_card(str(abs(int(value)))) else None
    return None


def _has_plain_card(text: str) -> bool:
    if not _LOOSE.search(text):
        return False
    text = _DIGEST.sub(_without_digest, _UUID.sub("x", text)).translate(_NORMAL)
    return any(
        _is_in_sequence(found.group(), text[found.start() - 1 : found.start()] == "+")
        for found in _SEQUENCE.finditer(text)
        if found.end() - found.start() >= SHORTEST
    )


def _without_digest(found: re.Match[str]) -> str:
    return "x" if found.end() - found.start() in _DIGEST_LENGTHS else found.group()


class _Normal(dict[int, int]):
    """For str.translate: any script's digits become ASCII's, separators become spaces. Dots and pluses
    stay.
    """

    def __missing__(self, code: int) -> int:
        character = chr(code)
        digit = unicodedata.digit(character, None)
        if digit is not None:
            meant = str(digit)
        elif character in ".．":
            meant = "."
        elif character in "+＋":
            meant = "+"
        elif _separates(character):
            meant = " "
        else:
            meant = character
        self[code] = ord(meant)
        return self[code]


def _separates(character: str) -> bool:
    return (
        character in _ASCII_SEPARATORS
        or character in _OTHER_SEPARATORS
        or unicodedata.category(character) in _SEPARATING
    )


_NORMAL = _Normal()


def _is_in_sequence(sequence: str, after_plus: bool) -> bool:
    """Whether groups of digits in a row contain a card number that begins and ends with a group."""
    parts = _PARTS.findall(sequence)
    groups, between = parts[::2], parts[1::2]
    for first in range(len(groups)):
        digits = ""
        for last in range(first, min(first + LONGEST, len(groups))):
            digits += groups[last]
            if len(digits) > LONGEST:
                break
            if len(digits) < SHORTEST or not _is_card(digits):
                continue
            if len(digits) < 15 and (between[first - 1][-1] == "+" if first else after_plus):
                continue  # An international phone number (ITU-T E.164) with its plus.
            is_whole = first == 0 and last == len(groups) - 1
            if _is_grouped(groups[first : last + 1], between[first:last], is_whole):
                return True
    return False


def _is_grouped(groups: list[str], between: list[str], is_whole: bool) -> bool:
    if any("." in part for part in between) and (len(groups) < 3 or any(part != "." for part in between)):
        return False  # Decimal fractions, coordinates, prices.
    if is_whole or len(groups) == 1:
        return True
    lengths = [len(group) for group in groups]
    is_even = lengths[0] >= 3 and all(a == b for a, b in pairwise(lengths[:-1])) and lengths[-1] <= lengths[0]
    return is_even or lengths in ([4, 6, 5], [4, 6, 4])


def _is_card(digits: str) -> bool:
    return SHORTEST <= len(digits) <= LONGEST and _is_issued(digits) and _passes_luhn(digits)


def _is_issued(digits: str) -> bool:
    return len(digits) in _LENGTHS.get(digits[:4], _NONE)


def _passes_luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B."""
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0
