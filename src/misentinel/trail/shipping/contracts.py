"""What shipping is made of: kinds of sinks, what is known of one, and an entry as it goes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from misentinel.kernel.errors import Conflict, Unavailable
from misentinel.kernel.outgoing import Outgoing

HOME = "GB"
"""The one location (ISO 3166-1) whose sinks get personal data."""


class SinkKind(StrEnum):
    """How a sink is spoken to. The values are stored."""

    SYSLOG = "syslog"
    LINES = "lines"
    OTLP = "otlp"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class SinkView:
    """A sink without its secret. `customer_id` is None for the operator's platform log; `waiting` counts the sealed
    entries that were not acknowledged yet.
    """

    id: UUID
    customer_id: UUID | None
    name: str
    kind: SinkKind
    address: str
    location: str
    by_operator: bool
    plain_end: bool
    next_index: int
    waiting: int
    dead_letters: int
    paused: bool
    failures: int
    retry_at: datetime | None
    last_error: str
    delivered_at: datetime | None

    @property
    def gets_personal_data(self) -> bool:
        return self.location == HOME


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """An entry that the sink refused for good, by its place in the log."""

    index: int
    entry_id: UUID
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One entry as it goes out. `body` is one line of ASCII JSON, an OCSF event with the index and the entry's id."""

    index: int
    entry_id: UUID
    at: datetime
    tag: str
    severity: int
    body: str


@dataclass(frozen=True, slots=True)
class Destination:
    """Where items go, opened for one sending. `host` is how this installation names itself, `log` the log's name."""

    sink_id: UUID
    kind: SinkKind
    address: str
    secret: str
    outgoing: Outgoing
    host: str
    log: str
    plain_end: bool = False


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one run did. `more` says that it stopped with work left, `retry_at` when to come back after a failure;
    `refused` is how many entries the sink refused together, to be sent again in smaller batches.
    """

    entries: int = 0
    refused: int = 0
    more: bool = False
    retry_at: datetime | None = None


class NotTaken(Unavailable):
    """The sink did not acknowledge, now: tried again later. `retry_after` is in seconds, as the other side asked."""

    code = "sink_not_taken"

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(Conflict):
    """The sink will never take what it was sent."""

    code = "sink_rejected"


class Gap(Conflict):
    """The log itself lacks an entry: nothing is shipped past it."""

    code = "log_gap"
