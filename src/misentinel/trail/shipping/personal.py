"""What is personal in an entry, and the entry without it: what a sink outside the UK gets.

An allow-list: a field that is not named here stays at home, so that one added later does not leave by oversight. Who
acted, from where and with what, whom or what it was about, and the sealed values all lead to somebody, ciphertext and
opaque ids included (pseudonymised data is personal data: UK GDPR, article 4(5) and recital 26). What is left is what
happened, to what kind of thing, by what kind of party, when, and how it went.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from misentinel.trail.ocsf import Row

_WORDS = frozenset({"route", "error"})
"""Details that are words of the program's own: a route's pattern, an error's code."""
WITHHELD = {"withheld": "personal data"}


@dataclass(slots=True)
class Anonymous:
    """An entry without personal data; a `Row` of which `to_ocsf` makes an event like any other."""

    id: UUID
    at: datetime
    customer_id: UUID | None
    tag: str
    outcome: str
    actor_kind: str
    object_kind: str
    details: dict[str, Any]
    actor_id: str = ""
    credential: str = ""
    address: str = ""
    object_id: str = ""
    person_id: UUID | None = None
    request_id: str = ""
    before: bytes | memoryview | None = field(default=None)
    after: bytes | memoryview | None = field(default=None)


def without_personal(entry: Row) -> Anonymous:
    """Returns what may leave the UK: the entry's id, time, customer, tag, outcome and kinds, counts, and the program's
    own words.
    """
    details = {
        name: value
        for name, value in entry.details.items()
        if isinstance(value, bool | int) or (name in _WORDS and isinstance(value, str))
    }
    return Anonymous(
        id=entry.id, at=entry.at, customer_id=entry.customer_id, tag=entry.tag, outcome=entry.outcome,
        actor_kind=entry.actor_kind, object_kind=entry.object_kind, details={**details, **WITHHELD},
    )  # fmt: skip
