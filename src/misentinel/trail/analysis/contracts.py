"""A question over the trail and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from misentinel.kernel.errors import Invalid, Unavailable


class WrongQuestion(Invalid):
    """The question is refused or makes no sense; the message says why."""

    code = "wrong_question"


class TooMuchAsked(Unavailable):
    """The question took more time or memory than one may use."""

    code = "too_much_asked"


@dataclass(frozen=True, slots=True)
class Question:
    """SQL over the table `entries`, of the days from `since` to `until`, both included (UTC)."""

    sql: str
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of plain values. `more` rows there were are not in it; `cold` objects in Glacier were left out."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    more: bool
    seconds: float
    cold: int = 0


@dataclass(frozen=True, slots=True)
class SavedView:
    """A question kept under a name."""

    id: UUID
    name: str
    sql: str
    at: datetime
