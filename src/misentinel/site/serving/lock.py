"""One running program a home. The lock is the kernel's (flock): it ends with whoever held it, however they ended."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from misentinel.kernel.errors import Conflict, Unavailable

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HomeLock:
    """The lock while it is held. A child that inherits `fd` holds it too, until it ends."""

    fd: int

    def release(self) -> None:
        os.close(self.fd)


def take_home(home: Path, told: Callable[[str], None] = lambda step: None) -> HomeLock:
    """Take the home for this process. Waits only for an earlier run that is dead and still being tidied up.

    Raises `Conflict` when another run is alive, naming its process.
    """
    path = home / "run.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {error.strerror}.") from error
    deadline = time.monotonic() + WAIT_SECONDS
    while not _try(fd):
        holder = _holder(fd)
        if _is_alive(holder) or time.monotonic() > deadline:
            os.close(fd)
            raise Conflict(
                f"MiSentinel already runs in {home} (process {holder}). "
                "Stop that one, or set MISENTINEL_HOME to another folder."
            )
        told("waiting for an earlier run to be tidied up")
        time.sleep(0.1)
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return HomeLock(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> int:
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else 0


def _is_alive(process: int) -> bool:
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
