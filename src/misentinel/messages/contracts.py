"""What crosses the border of messages: what is written, what is sent, what becomes of it, and what the report shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """A manual message goes out once, to a segment; an auto message whenever its event happens."""

    MANUAL = "manual"
    AUTO = "auto"


class MessageState(StrEnum):
    """draft → sending → sent (manual), draft → live ⇄ paused (auto)."""

    DRAFT = "draft"
    SENDING = "sending"
    SENT = "sent"
    LIVE = "live"
    PAUSED = "paused"


class DeliveryState(StrEnum):
    """queued → claimed → sending → sent, failed or unknown; skipped instead of being claimed."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a delivery was skipped or failed, or waits for another try."""

    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"
    MERGED = "merged"
    NO_ADDRESS = "no_address"
    PAUSED = "paused"
    TEMPLATE = "template"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class Draft:
    """What an author fills in. `sender` empty: the installation's own. Manual messages need a segment; auto messages
    an event, and a segment only if not everyone with the event is meant.
    """

    name: str
    subject: str
    html: str
    text: str = ""
    sender: str = ""
    segment_id: UUID | None = None
    trigger_event: str = ""
    delay_seconds: int = 0


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message, opened."""

    id: UUID
    kind: Kind
    state: MessageState
    draft: Draft
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message: how many deliveries are in each state, and for which reasons."""

    message_id: UUID
    total: int
    states: dict[DeliveryState, int]
    reasons: dict[Reason, int]


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery. `answer` is the mail server's, where it was asked for and the person was not erased."""

    id: UUID
    message_id: UUID
    person_id: UUID
    state: DeliveryState
    reason: Reason | None
    attempts: int
    code: int
    due_at: datetime
    ended_at: datetime | None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries in the order of their ids. `next` continues with `after=next`; None at the end."""

    deliveries: list[DeliveryView]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that stayed in the local mailbox, read for the page that shows it."""

    id: UUID
    person_id: UUID
    at: datetime
    subject: str
    sender: str
    to: str
    unsubscribe_url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    html: str = ""
    text: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class MailPage:
    """The mailbox, latest first. `next` continues with `after=next`; None at the end."""

    mails: list[Mail]
    next: UUID | None


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
    person_id: UUID
    sender: str
    recipient: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the delivery `id`."""

    id: UUID
    outcome: Outcome
