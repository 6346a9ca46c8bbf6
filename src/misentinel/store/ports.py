"""What the store needs from above without knowing it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class WakeUp(Protocol):
    """Tells a worker that a store's outbox has rows. Called after commit; may fail or be lost, a sweep repairs it."""

    def __call__(self, customer_id: UUID) -> None: ...
