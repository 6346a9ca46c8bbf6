"""Starts the program's processes, starts them again when they fall over, and stops all that it started.

Promises that no child outlives this process, that a child which keeps falling over ends the run with one clear
sentence instead of a loop, and that the certificate is renewed and the log turned over while it runs.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from misentinel.kernel.errors import Unavailable
from misentinel.site.serving.children import PARENT_VARIABLE

STOP_SECONDS = 20.0
STABLE_SECONDS = 60.0
ATTEMPTS = 5
CHORE_SECONDS = 3600.0
_LOOK_SECONDS = 0.2
_LONGEST_PAUSE = 8.0
# gunicorn's "failed to boot" and "failed to load", sysexits' EX_CONFIG: trying again would end the same way.
_HOPELESS = frozenset({3, 4, 78})

_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The run was told to stop while it waited for something."""


@dataclass(slots=True)
class Child:
    """One process of the program. `fds` are handed down; what it says on standard error is kept in `said`."""

    name: str
    command: list[str]
    said: Path
    environment: Mapping[str, str]
    fds: tuple[int, ...] = ()
    failures: int = 0
    process: subprocess.Popen[bytes] | None = None
    started: float = field(default=0.0)
    due: float = field(default=0.0)

    def start(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self.said, flags, 0o600), "wb") as said:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                pass_fds=self.fds,
                env={**self.environment, PARENT_VARIABLE: str(os.getpid())},
                # Ctrl-C goes to the whole group of the terminal; the children are stopped by us, in order.
                process_group=0,
            )
        self.started = time.monotonic()
        _log.info("%s started, process %s", self.name, self.process.pid)

    def last_words(self) -> str:
        lines = self.said.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@dataclass(slots=True)
class _Chore:
    do: Callable[[], None]
    seconds: float
    due: float


class Supervisor:
    """Use as a context manager: leaving it stops every child."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._children: list[Child] = []
        self._stop = threading.Event()
        self._chores: list[_Chore] = []

    def __enter__(self) -> Supervisor:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def add(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str], fds: tuple[int, ...] = ()
    ) -> None:
        """Start a child that runs the Python module `module`."""
        said = self._home / "log" / f"{name.replace(' ', '-')}.out"
        child = Child(name, [sys.executable, "-m", module, *arguments], said, environment, fds)
        self._children.append(child)
        child.start()

    def add_chore(self, chore: Callable[[], None], seconds: float = CHORE_SECONDS) -> None:
        """Have `chore` done every so often. One that fails is logged and tried again when it is due next."""
        self._chores.append(_Chore(chore, seconds, time.monotonic() + seconds))

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for `ready`. Raises `Unavailable` if a child falls over or the time is up, `Stopped` if told to."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check_stop()
            for child in self._children:
                if child.process is not None and child.process.poll() is not None:
                    raise Unavailable(f"The {child.name} could not start: {child.last_words()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"The {what} did not answer within {seconds:.0f} s; {self._home / 'log'} says more.")
            self._stop.wait(0.05)

    def check_stop(self) -> None:
        if self.stopping:
            raise Stopped

    def watch(self) -> None:
        """Keep the children running until told to stop. Raises `Unavailable` when one cannot be kept running."""
        while not self._stop.wait(_LOOK_SECONDS):
            for child in self._children:
                self._look_after(child)
            self._do_chores()

    def stop(self) -> None:
        """Stop every child: politely first, then by force. What came first is stopped last."""
        running = [child.process for child in self._children if child.process and child.process.poll() is None]
        for process in reversed(running):
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("process %s did not stop in time and is killed", process.pid)
                process.kill()
                process.wait()

    def _told_to_stop(self, number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.due:
                child.start()
            return
        code = child.process.poll()
        if code is None:
            return
        child.failures = 1 if now - child.started > STABLE_SECONDS else child.failures + 1
        _log.error("%s ended with %s after %.1f s: %s", child.name, code, now - child.started, child.last_words())
        if code in _HOPELESS or child.failures >= ATTEMPTS:
            raise Unavailable(f"The {child.name} keeps stopping (exit code {code}): {child.last_words()}")
        child.process = None
        child.due = now + min(_LONGEST_PAUSE, 0.25 * 2**child.failures)

    def _do_chores(self) -> None:
        for chore in self._chores:
            if time.monotonic() < chore.due:
                continue
            chore.due = time.monotonic() + chore.seconds
            try:
                chore.do()
            except Exception:  # noqa: BLE001  a chore must not end the run
                _log.exception("A chore failed and is tried again later")
