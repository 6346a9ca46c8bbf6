"""What crosses the border of messages: what is sent, what becomes of it, and what the report shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Fate(StrEnum):
    """What became of one attempt to hand a message over."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # for good: a 5xx answer
    DEFERRED = "deferred"  # for now: a 4xx answer
    UNSENT = "unsent"  # the connection failed before the last byte was handed over: safe to try again
    DOUBTFUL = "doubtful"  # the connection failed after the last byte and before the answer: nobody knows


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fate and the server's words. They may repeat the recipient's address: personal data, to be sealed."""

    fate: Fate
    code: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message ready to go. `data` has CRLF line ends and is not dot-stuffed."""

    id: UUID
    sender: str
    recipient: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the delivery `id`."""

    id: UUID
    outcome: Outcome
