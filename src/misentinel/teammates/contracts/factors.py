"""What others may know about the factors that a teammate has, shows, and lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Proof:
    """A factor shown again by one who is signed in: which way, and what was shown.

    `bound_to` is what a passkey's challenge was bound to, see `teammates/passkeys.py`.
    """

    way: str
    answer: str
    bound_to: str = ""


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its owner's list shows it. `synced`: it may also be on the owner's other devices."""

    id: UUID
    name: str
    synced: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Factors:
    """What a teammate can show beside or instead of a password. `removable`: one may go, another stays."""

    authenticator_since: datetime | None
    passkeys: list[PasskeyView]
    recovery_codes_left: int

    @property
    def removable(self) -> bool:
        return int(self.authenticator_since is not None) + len(self.passkeys) > 1


@dataclass(frozen=True, slots=True)
class RecoveryView:
    """An open request of a teammate who lost their factors. `opens_at` is None until somebody approves it."""

    id: UUID
    teammate_id: UUID
    customer_id: UUID
    email: str
    device: str
    address: str
    asked_at: datetime
    opens_at: datetime | None
    at: datetime

    @property
    def is_open(self) -> bool:
        """Whether the waiting time is over, at the moment that this was read."""
        return self.opens_at is not None and self.opens_at <= self.at
