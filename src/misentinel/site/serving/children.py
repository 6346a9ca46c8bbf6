"""What a child process owes its parent: to end when the parent ends, however that came about."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "PARENT_OF_MISENTINEL"
_PR_SET_PDEATHSIG = 1


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to end this process when the one that started it is gone (prctl(2), Linux).

    The parent's id is in the environment, because it may have gone before we could ask.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(0)
