"""An entry as the log hashes it: canonical JSON, the same bytes whoever makes them from the row."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Protocol
from uuid import UUID

from misentinel.kernel import canonical
from misentinel.trail.rules.encoding import from_base64
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
_SEALED = ("before", "after")


def leaf_of(row: Row) -> bytes:
    """Returns the bytes that the log hashes for an entry, at most 65,535 of them."""
    return leaf_from(whole_of(row))


def whole_of(row: Row) -> bytes:
    """Returns the whole entry, however large: `before` and `after` are base64 of what is sealed."""
    told: dict[str, Any] = {"v": VERSION, **{name: getattr(row, name) for name in _PLAIN}, "details": row.details}
    for name in _SEALED:
        sealed = getattr(row, name)
        told[name] = None if sealed is None else base64.b64encode(bytes(sealed)).decode()
    return canonical.dumps(told)


def leaf_from(whole: bytes) -> bytes:
    """Returns the leaf of an entry that `whole_of` gave, so that whoever holds the entry can look it up in the log.

    Up to 65,535 bytes it is the entry itself. A larger one stays where the entries are stored, and the leaf has digests
    instead: `details_sha256` over the details in canonical JSON, `before_sha256` and `after_sha256` over the sealed
    bytes. Raises `ValueError` for what is no entry.
    """
    if len(whole) <= LARGEST_ENTRY:
        return whole
    told = canonical.loads(whole)
    if not isinstance(told, dict) or canonical.dumps(told) != whole:
        raise ValueError("this is no entry in canonical JSON")
    parts = {"details": canonical.dumps(told.pop("details", None))}
    parts |= {name: from_base64(sealed) for name in _SEALED if isinstance(sealed := told.pop(name, None), str)}
    told |= {f"{name}_sha256": hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    leaf = canonical.dumps(told)
    if len(leaf) > LARGEST_ENTRY:
        raise ValueError("this is no entry: more than its details and sealed values is large")
    return leaf
