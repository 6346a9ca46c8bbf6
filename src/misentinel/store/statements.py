"""Statements over many rows at once: parameters bound by the server, arrays sent in PostgreSQL's binary format.

For the few places where rows come by the thousand a second; everything else goes through the ORM. The arrays are those
of `array_send` in PostgreSQL's source: one dimension, no nulls.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from misentinel.store.contracts import Store

_UUID, _BYTEA, _TEXT, _TIMESTAMPTZ, _JSONB = 2950, 17, 25, 1184, 3802
_HEADER = struct.Struct("!iiIii")
_LENGTH = struct.Struct("!i")
_MOMENT = struct.Struct("!iq")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = "_misentinel_cursor"


class UuidArray(bytes):
    """A `uuid[]` as it is sent."""


class ByteaArray(bytes):
    """A `bytea[]` as it is sent."""


class TextArray(bytes):
    """A `text[]` as it is sent."""


class MomentArray(bytes):
    """A `timestamptz[]` as it is sent."""


class JsonArray(bytes):
    """A `jsonb[]` as it is sent."""


def run(store: Store, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Runs one prepared statement in the transaction that is open on `store`; returns its rows, if it has any."""
    cursor = _cursor(store.connection.connection)
    cursor.execute(query.encode(), parameters, prepare=True, binary=True)
    return cursor.fetchall() if cursor.description else []


def uuids(values: Sequence[UUID]) -> UuidArray:
    return bits(value.bytes for value in values)


def bits(values: Iterable[bytes]) -> UuidArray:
    """A `uuid[]` of values of 16 bytes each: what tokens are, without the cost of a UUID object for every one."""
    parts = [b"\0\0\0\x10" + value for value in values]
    return UuidArray(_array(_UUID, len(parts), parts))


def byteas(values: Sequence[bytes]) -> ByteaArray:
    return ByteaArray(_array(_BYTEA, len(values), _sized(values)))


def texts(values: Sequence[str]) -> TextArray:
    return TextArray(_array(_TEXT, len(values), _sized(value.encode() for value in values)))


def jsons(values: Sequence[bytes]) -> JsonArray:
    """`values` are JSON texts; the byte before each is the version of jsonb's binary format."""
    return JsonArray(_array(_JSONB, len(values), _sized(b"\x01" + value for value in values)))


def moments(values: Sequence[datetime]) -> MomentArray:
    parts = [_MOMENT.pack(8, (value - _EPOCH) // _MICROSECOND) for value in values]
    return MomentArray(_array(_TIMESTAMPTZ, len(values), parts))


def _sized(values: Iterable[bytes]) -> list[bytes]:
    pack = _LENGTH.pack
    return [pack(len(value)) + value for value in values]


def _array(element: int, count: int, parts: list[bytes]) -> bytes:
    if not count:
        return struct.pack("!iiI", 0, 0, element)
    return _HEADER.pack(1, 0, element, count, 1) + b"".join(parts)


class _Sent(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _SentUuids(_Sent):
    oid = 2951


class _SentByteas(_Sent):
    oid = 1001


class _SentTexts(_Sent):
    oid = 1009


class _SentMoments(_Sent):
    oid = 1185


class _SentJsons(_Sent):
    oid = 3807


_DUMPERS: dict[type, type[Dumper]] = {
    UuidArray: _SentUuids,
    ByteaArray: _SentByteas,
    TextArray: _SentTexts,
    MomentArray: _SentMoments,
    JsonArray: _SentJsons,
}


def _cursor(connection: Any) -> psycopg.Cursor[Any]:
    """One cursor for each connection: making one that knows the arrays costs more than many a statement."""
    cursor: psycopg.Cursor[Any] | None = getattr(connection, _CURSOR, None)
    if cursor is None or cursor.closed:
        cursor = psycopg.Cursor(connection)
        for kind, dumper in _DUMPERS.items():
            cursor.adapters.register_dumper(kind, dumper)
        setattr(connection, _CURSOR, cursor)
    return cursor
