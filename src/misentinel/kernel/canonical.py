"""Canonical JSON (RFC 8785 in the subset we emit): equal values are equal bytes, so that hashes and seals agree."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """Returns `value` as UTF-8 JSON with sorted keys and no spaces. Dates become RFC 3339 in UTC, UUIDs text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def loads(data: bytes | str) -> Any:
    """Reads JSON. Raises `orjson.JSONDecodeError` (a ValueError) with line and column for anything else."""
    return orjson.loads(data)
