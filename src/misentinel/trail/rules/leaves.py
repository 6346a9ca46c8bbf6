"""An entry as the log hashes it: canonical JSON, the same bytes whoever makes them from the row."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Protocol
from uuid import UUID

from misentinel.kernel import canonical
from misentinel.trail.rules.tiles import LARGEST_ENTRY

VERSION = 1


class Row(Protocol):
    """What a leaf is made from."""

    id: UUID
    at: Any
    customer_id: UUID | None
    tag: str
    outcome: str
    actor_kind: str
    actor_id: str
    credential: str
    address: str
    object_kind: str
    object_id: str
    person_id: UUID | None
    request_id: str
    details: dict[str, Any]
    before: bytes | memoryview | None
    after: bytes | memoryview | None


_PLAIN = (
    "id", "at", "customer_id", "tag", "outcome", "actor_kind", "actor_id", "credential", "address", "object_kind",
    "object_id", "person_id", "request_id",
)  # fmt: skip
_LARGE = ("details", "before", "after")


def leaf_of(row: Row) -> bytes:
    """Returns the entry's bytes, at most 65,535: where it is larger, `details`, `before` and `after` are each replaced
    by the SHA-256 of what stands in the row.
    """
    told: dict[str, Any] = {"v": VERSION, **{name: getattr(row, name) for name in _PLAIN}, "details": row.details}
    for name in ("before", "after"):
        sealed = getattr(row, name)
        told[name] = None if sealed is None else base64.b64encode(bytes(sealed)).decode()
    data = canonical.dumps(told)
    if len(data) <= LARGEST_ENTRY:
        return data
    for name in _LARGE:
        if told[name]:
            told[f"{name}_sha256"] = hashlib.sha256(canonical.dumps(told[name])).hexdigest()
        del told[name]
    return canonical.dumps(told)
