"""Names, columns and manifests: the archive's format, which others read.

Keys follow Amazon Security Lake's custom sources (AWS, "Collecting data from custom sources"): one source for each
OCSF class, then region, account and day, in zstd Parquet sorted by time. Manifests are signed notes (C2SP
signed-note) beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from misentinel.trail.archive.contracts import Part
from misentinel.trail.contracts import Log
from misentinel.trail.rules.checkpoints import Checkpoint
from misentinel.trail.rules.encoding import to_base64
from misentinel.trail.rules.notes import Note, VerifierKey

ROWS, MANIFESTS = "ext", "manifests"
HEADING = "misentinel.trail/archive-part@v1"

COLUMNS = {
    "log_index": "BIGINT",
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    "customer_id": "VARCHAR",
    "class_uid": "INTEGER",
    "activity_id": "INTEGER",
    "type_uid": "BIGINT",
    "severity_id": "INTEGER",
    "status_id": "INTEGER",
    "tag": "VARCHAR",
    "outcome": "VARCHAR",
    "actor_kind": "VARCHAR",
    "actor_id": "VARCHAR",
    "credential": "VARCHAR",
    "address": "VARCHAR",
    "object_kind": "VARCHAR",
    "object_id": "VARCHAR",
    "person_id": "VARCHAR",
    "request_id": "VARCHAR",
    "details": "VARCHAR",
    "sealed_before": "BLOB",
    "sealed_after": "BLOB",
    "ocsf": "VARCHAR",
}
"""Name and DuckDB type of each column, in order. Columns may be added at the end, never changed or removed. `time`
is UTC; `details` and `ocsf` are JSON; ids are text, so that every engine compares them alike."""

_FIELDS = ("key", "class", "day", "batch", "indexes", "rows", "bytes", "sha256", "checkpoint")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is said of one part, and the checkpoint of the log that covers its batch."""

    origin: str
    part: Part
    checkpoint: Checkpoint

    @property
    def text(self) -> str:
        part = self.part
        values = (
            part.key, part.class_uid, part.day.isoformat(), f"{part.start} {part.end}", f"{part.first} {part.last}",
            part.rows, part.bytes, part.sha256, f"{self.checkpoint.size} {to_base64(self.checkpoint.root)}",
        )  # fmt: skip
        lines = [f"{name} {value}" for name, value in zip(_FIELDS, values, strict=True)]
        return "".join(line + "\n" for line in (HEADING, self.origin, *lines))

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Reads a manifest's text. Raises `ValueError`."""
        heading, origin, *lines = text.removesuffix("\n").split("\n")
        told = [line.partition(" ")[::2] for line in lines]
        if heading != HEADING or tuple(name for name, _ in told) != _FIELDS:
            raise ValueError(f"a manifest begins with {HEADING} and has the lines {', '.join(_FIELDS)}")
        key, class_uid, day, batch, indexes, rows, size, sha256, checkpoint = (value for _, value in told)
        (start, end), (first, last) = _pair(batch), _pair(indexes)
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError("a manifest has a SHA-256")
        part = Part(key, int(class_uid), date.fromisoformat(day), start, end, first, last, int(rows), int(size), sha256)
        covered, _, root = checkpoint.partition(" ")
        return cls(origin, part, Checkpoint.parse(f"{origin}\n{covered}\n{root}\n"))


def read_manifest(text: str, keys: list[VerifierKey]) -> Manifest:
    """Returns what a signed manifest says. Raises `ValueError` unless one of `keys` signed it."""
    note = Note.parse(text)
    note.verified_by(keys)
    found = Manifest.parse(note.text)
    if found.origin not in {key.name for key in keys}:
        raise ValueError(f"this is a manifest of {found.origin}")
    return found


def account_of(log: Log) -> str:
    """A customer's id; for the operator's own log its installation's, so that two may share a bucket."""
    own = log.origin.rpartition("/")[2]
    return own if log.customer_id is not None else f"platform-{own}"


def part_key(class_uid: int, region: str, account: str, day: date, start: int, end: int) -> str:
    """The same batch always gets the same keys, so that writing it again adds nothing."""
    return (
        f"{ROWS}/misentinel-{class_uid}/1.0/region={region}/accountId={account}/eventDay={day:%Y%m%d}/"
        f"{start:012d}-{end:012d}.zstd.parquet"
    )


def manifest_key(key: str) -> str:
    return f"{MANIFESTS}/{key.removesuffix('.zstd.parquet')}.manifest"


def _pair(text: str) -> tuple[int, int]:
    left, _, right = text.partition(" ")
    return int(left), int(right)
