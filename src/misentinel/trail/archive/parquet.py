"""Rows of the archive: from entries to Parquet and back, exactly, so that a leaf made from what was read is the one
that was sealed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import sql

from misentinel.kernel import canonical
from misentinel.trail.archive.layout import COLUMNS
from misentinel.trail.ocsf import Row, to_ocsf

_LEVEL, _ROW_GROUP, _FETCHED = 9, 122_880, 2048
_BINARY = ("sealed_before", "sealed_after")
_WRITE = """
COPY (
    SELECT * REPLACE (from_base64(sealed_before) AS sealed_before, from_base64(sealed_after) AS sealed_after)
    FROM read_json({lines}, format = 'newline_delimited', maximum_object_size = 134217728, columns = {{{columns}}})
    ORDER BY time, log_index
) TO {to} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {level}, ROW_GROUP_SIZE {rows})
"""
_READ = """
SELECT * EXCLUDE (class_uid, activity_id, type_uid, severity_id, status_id, ocsf) FROM read_parquet(?)
WHERE log_index >= ? AND log_index < ? ORDER BY log_index
"""
_OCSF = ("class_uid", "activity_id", "type_uid", "severity_id", "status_id")


@dataclass(slots=True)
class ArchivedRow:
    """An entry as it comes back: what `leaf_of` makes a leaf from."""

    index: int
    id: UUID
    at: datetime
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


def row_of(entry: Row, index: int | None) -> dict[str, Any]:
    """Returns an entry as one row of the archive's columns, of JSON types. What OCSF has no place for stands in columns
    of its own, so the event is kept without it.
    """
    event = to_ocsf(entry, index)
    event.pop("unmapped", None)
    return {
        "log_index": index,
        "id": str(entry.id),
        "time": entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "customer_id": _text(entry.customer_id),
        **{name: event.get(name) for name in _OCSF},
        "tag": entry.tag,
        "outcome": entry.outcome,
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "credential": entry.credential,
        "address": entry.address,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "person_id": _text(entry.person_id),
        "request_id": entry.request_id,
        "details": canonical.dumps(entry.details).decode(),
        "sealed_before": _base64(entry.before),
        "sealed_after": _base64(entry.after),
        "ocsf": canonical.dumps(event).decode(),
    }


def write_parquet(lines: Path, to: Path) -> None:
    """Turns rows, one JSON object a line, into Parquet sorted by time. The same lines give the same bytes."""
    import duckdb

    columns = sql.SQL(", ").join(
        sql.SQL("{}: {}").format(sql.Identifier(name), sql.Literal("VARCHAR" if name in _BINARY else kind))
        for name, kind in COLUMNS.items()
    )
    statement = sql.SQL(_WRITE).format(
        lines=sql.Literal(str(lines)), to=sql.Literal(str(to)), columns=columns, level=sql.Literal(_LEVEL),
        rows=sql.Literal(_ROW_GROUP),
    )  # fmt: skip
    with duckdb.connect(":memory:", config={"threads": 1}) as engine:
        engine.execute(statement.as_string())


def read_rows(files: list[Path], first: int = 0, end: int | None = None) -> Iterator[ArchivedRow]:
    """Yields the rows with indexes from `first` up to, not including, `end`, by index. Raises `ValueError` for a
    file that is no Parquet of ours.
    """
    import duckdb  # large, and most processes never need it

    if not files:
        return
    try:
        with duckdb.connect(":memory:", config={"threads": 2}) as engine:
            engine.execute(_READ, [[str(file) for file in files], first, (1 << 62) if end is None else end])
            names = [column[0] for column in engine.description or ()]
            while rows := engine.fetchmany(_FETCHED):
                for row in rows:
                    yield _archived(dict(zip(names, row, strict=True)))
    except duckdb.Error as error:
        raise ValueError(f"this cannot be read as a part of an archive ({type(error).__name__})") from None


def _archived(row: dict[str, Any]) -> ArchivedRow:
    plain = (
        "tag",
        "outcome",
        "actor_kind",
        "actor_id",
        "credential",
        "address",
        "object_kind",
        "object_id",
        "request_id",
    )
    return ArchivedRow(
        index=row["log_index"], id=UUID(row["id"]), at=row["time"].replace(tzinfo=UTC),
        customer_id=_uuid(row["customer_id"]), person_id=_uuid(row["person_id"]),
        details=canonical.loads(row["details"]), before=row["sealed_before"], after=row["sealed_after"],
        **{name: row[name] for name in plain},
    )  # fmt: skip


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _base64(value: bytes | memoryview | None) -> str | None:
    return None if value is None else base64.b64encode(bytes(value)).decode()
