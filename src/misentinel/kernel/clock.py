"""The one source of time. Always UTC; tests may hold it still or move it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_held: datetime | None = None


def now() -> datetime:
    """Returns the current moment, aware, in UTC."""
    return _held if _held is not None else datetime.now(UTC)


@contextmanager
def held(at: datetime) -> Iterator[None]:
    """Hold the clock of this process at `at` for the length of a test."""
    global _held
    before, _held = _held, at.astimezone(UTC)
    try:
        yield
    finally:
        _held = before


def in_future(**parts: float) -> datetime:
    """Returns now plus `timedelta(**parts)`."""
    return now() + timedelta(**parts)
