"""What the archive tells: its parts, what became of an object, and how long a log is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from misentinel.kernel.errors import Unavailable


class Tier(StrEnum):
    """Whether an object can be read now."""

    READY = "ready"
    COLD = "cold"  # in Glacier: ask for it, and wait
    RESTORING = "restoring"
    RESTORED = "restored"  # in Glacier, with a copy that can be read until `ready_until`


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object, as the place it is kept in tells of it."""

    size: int
    sha256: str
    version: str
    retain_until: datetime | None
    held: bool
    tier: Tier = Tier.READY
    ready_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One object with rows. Every entry from `start` up to, not including, `end` is in one part of this batch; this one
    holds `rows` of them, the least of which has the index `first` and the greatest `last`.
    """

    key: str
    class_uid: int
    day: date
    start: int
    end: int
    first: int
    last: int
    rows: int
    bytes: int
    sha256: str
    version: str = ""
    manifest: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a log's objects are kept, how long its entries stay in the database, and whether all of it is held."""

    retention_days: int
    hot_days: int
    hold: bool = False
    hold_reason: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What one run wrote: the entries from `start` up to, not including, `end`. Nothing if the two are equal."""

    start: int
    end: int
    parts: tuple[Part, ...] = ()


class Cold(Unavailable):
    """The object is in Glacier and cannot be read until it is restored."""

    code = "cold"
