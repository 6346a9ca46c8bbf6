"""What crosses the border of events: items as they came in, verdicts on them, events as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID


class ItemType(StrEnum):
    """The calls of the Segment protocol. The values are its own and are stored."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


class Status(StrEnum):
    """What became of an item. `DUPLICATE`: its messageId was stored before, and nothing changed."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why an item was refused."""

    NOT_AN_OBJECT = "not_an_object"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NUL_CHARACTER = "nul_character"
    CARD_NUMBER = "card_number"
    UNKNOWN_TYPE = "unknown_type"
    NO_IDENTITY = "no_identity"
    MISSING_FIELD = "missing_field"
    BAD_FIELD = "bad_field"
    BAD_TIMESTAMP = "bad_timestamp"
    ERASED = "erased"


class Item(NamedTuple):
    """One item of a request that may be stored. `position` is its place in the request, `document` the item as JSON.

    `name` is the event's name, or that of the page or screen. `message_id` is the sender's, or derived. A tuple, as
    they come by the thousand a second and a frozen dataclass is five times as slow to make.
    """

    position: int
    type: ItemType
    name: str
    message_id: str
    user_id: str
    anonymous_id: str
    previous_id: str
    at: datetime
    traits: dict[str, Any]
    properties: dict[str, Any]
    document: bytes


class Verdict(NamedTuple):
    """What became of the item at `position`; for a refusal why, in a word and a sentence, and where (a JSON
    pointer).
    """

    position: int
    status: Status
    code: Reason | None = None
    reason: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """The items of one request, those refused already, and the moment they came in."""

    items: tuple[Item, ...]
    refused: tuple[Verdict, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class EventView:
    """An event, opened. `document` is None where the person was erased."""

    id: UUID
    type: str
    name: str
    person_id: UUID
    at: datetime
    received_at: datetime
    document: dict[str, Any] | None
