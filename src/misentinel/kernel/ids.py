"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), so that an index grows at one end."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def new_id() -> UUID:
    """Returns a version 7 UUID: 48 bits of Unix milliseconds, 12 of sub-millisecond time, 62 random bits.

    The sub-millisecond bits (RFC 9562, 6.2, method 3) keep ids of one process in the order of their making.
    """
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | _VERSION_7 | (fraction << 64) | _VARIANT | random)


def parse_id(text: str) -> UUID | None:
    """Returns the UUID that `text` spells in its canonical form, or None for anything else."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
