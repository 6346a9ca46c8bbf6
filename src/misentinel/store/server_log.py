"""Who signed in to an embedded cluster, read off the log that PostgreSQL writes of it.

The server writes JSON, a line for each event, into files that it changes every day or 16 MB. They are read from where
the last reading stopped, and removed once they are read to the end and a newer one is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from misentinel.store.postgres.sessions import is_own

FOLDER = "log"
OPTIONS = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": FOLDER,
    "log_filename": "server-%Y%m%dT%H%M%S",
    "log_file_mode": "0600",
    "log_rotation_age": "1440",
    "log_rotation_size": "16384",
    "log_connections": "on",
    "log_timezone": "UTC",
}
_REFUSED = ("28", "3D", "42501")
"""SQLSTATE of a login that was refused: invalid authorization, no such database, not allowed to connect."""
_GRAVE = {"ERROR", "FATAL", "PANIC"}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a cluster's log was read: `offset` bytes of `file`."""

    file: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt to open a session. `own` says that it was this installation; `refused` that it was not let in."""

    at: datetime
    role: str
    database: str
    pid: int
    own: bool
    refused: bool


def read_logins(data_folder: Path, after: Position, limit: int = 5000) -> tuple[list[Login], Position]:
    """Returns the logins that were written down after a position, oldest first, and the position to go on from.

    A line that the server is still writing is left for the next time.
    """
    found: list[Login] = []
    reached = after
    for path in _files(data_folder):
        if path.name < after.file:
            path.unlink(missing_ok=True)
            path.with_suffix("").unlink(missing_ok=True)  # what the server says on standard error when it begins
            continue
        for line, position in _lines(path, after.offset if path.name == after.file else 0):
            login = _login(line)
            reached = position
            if login is not None:
                found.append(login)
            if len(found) == limit:
                return found, reached
    return found, reached


def last_complaint(data_folder: Path) -> str:
    """Returns the latest error that the server wrote down, or the empty string."""
    for path in reversed(_files(data_folder)):
        said = [line.get("message", "") for line, _ in _lines(path, 0) if line.get("error_severity") in _GRAVE]
        if said:
            return str(said[-1])
    return ""


def _files(data_folder: Path) -> list[Path]:
    return sorted((data_folder / FOLDER).glob("server-*.json"))


def _lines(path: Path, offset: int) -> Iterator[tuple[dict[str, Any], Position]]:
    with path.open("rb") as file:
        file.seek(offset)
        while (raw := file.readline()).endswith(b"\n"):
            offset += len(raw)
            yield json.loads(raw), Position(path.name, offset)


def _login(line: dict[str, Any]) -> Login | None:
    """A login, let in or refused, or None for whatever else a server says."""
    role, database, said = line.get("user", ""), line.get("dbname", ""), line.get("message", "")
    if not role:
        return None
    at = datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S.%f %Z").astimezone()
    let_in = f"connection authorized: user={role} database={database}"
    if line.get("error_severity") == "LOG" and said.startswith(let_in):
        name = said[len(let_in) :].removeprefix(" application_name=")
        return Login(at, role, database, line["pid"], is_own(role, database, name), refused=False)
    if line.get("error_severity") == "FATAL" and str(line.get("state_code", "")).startswith(_REFUSED):
        return Login(at, role, database, line["pid"], own=False, refused=True)
    return None
