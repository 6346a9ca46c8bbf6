"""What teammates need from outside: somebody who carries letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Letter:
    """A plain text e-mail. Its id makes the Message-ID, so a copy is known again."""

    id: UUID
    recipient: str
    subject: str
    text: str
    at: datetime


class Courier(Protocol):
    def deliver(self, letter: Letter) -> None:
        """Hands `letter` over. Returns once somebody else answers for it; raises `Undelivered` if nobody does."""


class Undelivered(Exception):
    """The letter was not taken. The text says why and holds no secret and no address."""
