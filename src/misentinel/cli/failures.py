"""What a person at a terminal is told when something goes wrong: one sentence, an exit code, never a traceback.

A failure that nobody foresaw is told with a request id; the traceback is in the log, under that id.
"""

from __future__ import annotations

import errno
import json
import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from misentinel.kernel.blotting import blot
from misentinel.kernel.clock import now
from misentinel.kernel.errors import MiSentinelError
from misentinel.kernel.ids import new_id

UNFORESEEN = 70  # EX_SOFTWARE of sysexits.h
NO_SPACE = 74  # EX_IOERR
_DISK_FULL = "53100"  # SQLSTATE disk_full
_OUT_OF_REACH = 69  # EX_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Told:
    """What to say on standard error, and the exit code."""

    sentence: str
    exit_code: int


def tell(error: BaseException, home: Path) -> Told:
    """Returns what to tell about `error`; one that nobody foresaw is written to the log in `home` first."""
    if _is_disk_full(error):
        return Told(f"The disk is full. Free some space on the disk that holds {home} and run it again.", NO_SPACE)
    if isinstance(error, MiSentinelError):
        return Told(error.message, error.exit_code)
    if type(error).__name__ == "OperationalError":
        reason = (str(error).strip().splitlines() or ["it gave no reason"])[0]
        return Told(f"A database did not answer: {reason}", _OUT_OF_REACH)
    return _unforeseen(error, home)


def _is_disk_full(error: BaseException) -> bool:
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(one, "sqlstate", None) == _DISK_FULL or os.strerror(errno.ENOSPC) in str(one):
            return True
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unforeseen(error: BaseException, home: Path) -> Told:
    request_id = str(new_id())
    path = home / "log" / "cli.log"
    line = {
        "time": now().isoformat(timespec="milliseconds"),
        "level": "error",
        "part": "cli",
        "request_id": request_id,
        "traceback": blot("".join(traceback.format_exception(error))),
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as log:
            log.write(json.dumps(line) + "\n")
    except OSError as unwritable:
        where = f"and {path} cannot be written ({unwritable.strerror})"
    else:
        where = f"and {path} says more"
    return Told(f"Something went wrong ({type(error).__name__}), request {request_id}, {where}.", UNFORESEEN)
