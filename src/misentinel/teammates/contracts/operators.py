"""What other domains may know of the operator's access to customers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from misentinel.teammates.contracts import Permission


class AccessState(StrEnum):
    """Where an operator's access to a customer stands."""

    ASKED = "asked"
    LIVE = "live"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"  # asked for, and not answered in time
    ENDED = "ended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class AccessView:
    """An operator's access to one customer, from the first question to its end.

    `permissions`, `minutes` and `looks_only` are what was asked for, and once given what was given. An `emergency` is
    given by a second operator instead of the customer. `inside` says that the operator is looking now.
    """

    id: UUID
    customer_id: UUID
    operator_id: UUID
    operator_name: str
    reason: str
    permissions: frozenset[Permission]
    minutes: int
    looks_only: bool
    emergency: bool
    state: AccessState
    asked_at: datetime
    asked: bool
    given_by: UUID | None
    given_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    inside: bool
