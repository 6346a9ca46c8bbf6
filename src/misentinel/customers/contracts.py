"""What other domains know of a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Customer:
    """A business. `slug` is its short name at the command line; `time_zone` an IANA name for what its teammates see."""

    id: UUID
    name: str
    slug: str
    time_zone: str
    mail_from: str
    created_at: datetime
    closed_at: datetime | None
