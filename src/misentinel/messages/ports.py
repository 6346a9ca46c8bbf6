"""What sending needs from outside, and what the outside may ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from misentinel.messages.contracts import Prepared, Result


class Ledger(Protocol):
    """Where the truth about each delivery is kept, so that a killed worker's successor knows it."""

    def record(self, results: Sequence[Result], starting: Sequence[UUID]) -> frozenset[UUID]:
        """Durably record `results`, and `starting` as begun. Returns those of `starting` that may really
        go out.

        A channel calls it before the first byte of a message that could count as its delivery, and does
        not let go of a second message on a connection before the result of the first was given here.
        """

    def beat(self) -> None:
        """Say that this worker lives. Called while nothing happens, at least every few seconds."""


class Channel(Protocol):
    """A way to hand messages over."""

    def send(self, messages: Iterable[Prepared], ledger: Ledger) -> None:
        """Hand over `messages`, telling `ledger`. Returns when each has a result.

        Raises `ChannelDown` when nothing can be handed over at all; messages without a result were then
        not begun.
        """


class ChannelDown(Exception):
    """The channel cannot be reached, or does not let us in. The text says why and holds no secret."""


class Schedule(Protocol):
    """Has a worker send what is due in a customer's store at `at`. May fail or be lost; a sweep repairs it."""

    def __call__(self, customer_id: UUID, at: datetime) -> None: ...
