"""Taking a batch apart where it cannot be read as a whole, so that one unreadable item does not cost the
others.

JSON text is cut at the commas of its top-level `batch` array; each piece is then read on its own.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

# Text that never ends is one token too: were it none, the search would start again at each quote inside it, and half a
# megabyte of quotes would take minutes. The possessive repeats give nothing back, for the same reason.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},:]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"


class Unreadable:
    """Stands where an item was that is not JSON."""


def split_batch(data: bytes) -> tuple[list[Any], dict[str, Any]] | None:
    """Returns the items, `Unreadable` among them, and what surrounds them; None if the text has no such
    structure.
    """
    bounds = _bounds(data)
    if bounds is None:
        return None
    pieces, (start, end) = bounds
    try:
        around = orjson.loads(data[:start] + b"[]" + data[end:])
    except ValueError:
        return None
    return [_read(data[first:last]) for first, last in pieces], around


def envelope(data: bytes) -> dict[str, Any]:
    """Returns what surrounds the batch, or nothing."""
    found = split_batch(data)
    return found[1] if found else {}


def _read(piece: bytes) -> Any:
    try:
        return orjson.loads(piece)
    except ValueError:
        return Unreadable()


def _bounds(data: bytes) -> tuple[list[tuple[int, int]], tuple[int, int]] | None:
    """Returns where each item lies, and where the whole array does."""
    depth, start, after_key = 0, -1, False
    pieces: list[tuple[int, int]] = []
    first = 0
    for token in _TOKEN.finditer(data):
        text = token.group()
        if text[:1] == b'"':
            after_key = depth == 1 and text == b'"batch"'
            continue
        if text == b":":
            continue
        if text in _OPENING:
            depth += 1
            if after_key and depth == 2 and text == b"[" and start < 0:
                start = first = token.start()
                first += 1
        elif text in _CLOSING:
            depth -= 1
            if start >= 0 and depth == 1:
                if data[first : token.start()].strip():
                    pieces.append((first, token.start()))
                return pieces, (start, token.end())
        elif start >= 0 and depth == 2:
            pieces.append((first, token.start()))
            first = token.end()
        after_key = False
    return None
