"""The log: one JSON object a line, in the home folder's `log`, one file for each part of the program.

Promises that a line never holds a query string, a path as it was asked for, a header or an address of a
person; a request is named by its route and its request id. What looks like an e-mail address or a card number
in a message or a traceback is blotted out. Files are read by the operator alone (mode 0600) and replaced by
`rotate` when they grow; the writers notice by themselves.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from misentinel.kernel.blotting import blot
from misentinel.site.serving.files import ensure_folder

ROTATE_BYTES = 32 * 1024 * 1024
ROTATE_KEEP = 5
ROUTE = "misentinel.route"
_REQUEST_ID = "misentinel.request_id"


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; `extra={"fields": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name,
            "process": record.process,
        }
        request = getattr(record, "request", None)
        if (environ := getattr(request, "META", None)) is not None:
            # Django puts the path into its message, and a path can hold a token or an address.
            line["message"] = str(record.args[0]) if isinstance(record.args, tuple) and record.args else record.name
            line["request_id"] = environ.get(_REQUEST_ID, "")
            line["route"] = getattr(getattr(request, "resolver_match", None), "route", "")
        elif message := record.getMessage():
            line["message"] = blot(message)
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = blot("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(line, ensure_ascii=False, default=str)


class ServerLog(Logger):  # type: ignore[misc]
    """What gunicorn writes to: its messages go where ours go; an answer is one line without personal data."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.propagate = True
        self.access_log.propagate = False

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        self._write(
            status=int(str(resp.status).split(maxsplit=1)[0]) if resp.status else 0,
            request_id=_header(resp, "x-request-id") or environ.get(_REQUEST_ID, ""),
            method=environ.get("REQUEST_METHOD", ""),
            route=environ.get(ROUTE, ""),
            bytes=resp.sent,
            milliseconds=round(request_time.total_seconds() * 1000, 1),
        )

    def refused(self, status: int, request_id: str) -> None:
        """Log an answer to what was not even a request."""
        self._write(status=status, request_id=request_id, method="", route="", bytes=0, milliseconds=0)

    def _write(self, **fields: Any) -> None:
        self.access_log.info("", extra={"fields": fields})

    def close_on_exec(self) -> None:
        """Python's files are closed on exec by themselves."""

    def reopen_files(self) -> None:
        """The handlers watch their files."""


class _OwnersFile(WatchedFileHandler):
    """A file that its owner alone may read, also when it is made again after the old one was moved aside."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab"), encoding=self.encoding, write_through=True)


def configure(home: Path, part: str, level: str) -> Path:
    """Send what this process logs to `log/<part>.log`, answers to `log/access.log`. Returns the former."""
    folder = ensure_folder(home / "log")
    path = folder / f"{part}.log"
    root = logging.getLogger()
    root.handlers[:] = [_handler(path)]
    root.setLevel(level.upper())
    access = logging.getLogger("gunicorn.access")
    access.setLevel(logging.INFO)
    if part == "web":
        access.handlers[:] = [_handler(folder / "access.log")]
    return path


def rotate(home: Path) -> None:
    """Move every log file aside that has grown too large, and forget the oldest."""
    for path in sorted((home / "log").glob("*.log")):
        if path.stat().st_size < ROTATE_BYTES:
            continue
        for age in range(ROTATE_KEEP - 1, 0, -1):
            older = path.with_name(f"{path.name}.{age}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{age + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))


def _handler(path: Path) -> logging.Handler:
    handler = _OwnersFile(path, encoding="utf-8")
    handler.setFormatter(JsonLines())
    return handler


def _header(resp: Any, name: str) -> str:
    return next((value for key, value in resp.headers if key.lower() == name), "")
