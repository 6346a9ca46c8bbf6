"""Statements over many rows at once: parameters bound by the server, arrays sent in PostgreSQL's binary format.

For the few places where rows come by the thousand a second; everything else goes through the ORM. The arrays are those
of `array_send` in PostgreSQL's source: one dimension, no nulls.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
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
_CURSORS = "_misentinel_cursors"


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


Statement = tuple[str, Sequence[Any]]


def run(store: Store, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """Runs one prepared statement in the transaction that is open on `store`; returns its rows, if it has any."""
    cursor = _cursor(store.connection.connection)
    cursor.execute(query.encode(), parameters, prepare=True, binary=True)
    return cursor.fetchall() if cursor.description else []


def run_together(store: Store, *statements: Statement) -> list[list[Any]]:
    """Runs statements one after the other in one round trip; returns the rows of each. All must return rows."""
    with one_round_trip(store):
        cursors = [start(store, place, *statement) for place, statement in enumerate(statements)]
    return [cursor.fetchall() for cursor in cursors]


def one_round_trip(store: Store) -> AbstractContextManager[Any]:
    """Sends what is executed inside, through the ORM too, without waiting for each answer; a fault is raised at the
    end, or where an answer is read.
    """
    pipeline: AbstractContextManager[Any] = store.connection.connection.pipeline()
    return pipeline


def start(store: Store, place: int, query: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
    """Sends a prepared statement inside `one_round_trip`. Its rows are there after it; each needs its own `place`."""
    cursor = _cursor(store.connection.connection, place)
    return cursor.execute(query.encode(), parameters, prepare=True, binary=True)


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


def _cursor(connection: Any, place: int = 0) -> psycopg.Cursor[Any]:
    """A few cursors for each connection: making one that knows the arrays costs more than many a statement."""
    cursors: dict[int, psycopg.Cursor[Any]] = connection.__dict__.setdefault(_CURSORS, {})
    cursor = cursors.get(place)
    if cursor is None:
        cursor = cursors[place] = psycopg.Cursor(connection)
        for kind, dumper in _DUMPERS.items():
            cursor.adapters.register_dumper(kind, dumper)
    return cursor
