"""Giving up, for good, the rights to change files, to start programs and to use TCP: Linux's Landlock (landlock(7)).

A kernel without it says so, and the other fences stand without this one.
"""

from __future__ import annotations

import ctypes
import os

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same on every architecture
_VERSION_ASKED = 1
_PR_SET_NO_NEW_PRIVS = 38
_EXECUTE, _WRITE_FILE, _TRUNCATE = 1 << 0, 1 << 1, 1 << 14
_REMOVE_OR_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13
_TCP = 0b11
_SINCE_TRUNCATE, _SINCE_TCP = 3, 4


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


def give_up_writing() -> bool:
    """Returns whether the kernel did it. Holds for this thread and all that it starts; it cannot be taken back."""
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(_CREATE_RULESET, None, 0, _VERSION_ASKED)
    if version < _SINCE_TRUNCATE:  # without it, a file could still be emptied
        return False
    rules = _Ruleset(_EXECUTE | _WRITE_FILE | _REMOVE_OR_MAKE | _REFER | _TRUNCATE, _TCP)
    size = ctypes.sizeof(rules) if version >= _SINCE_TCP else ctypes.sizeof(ctypes.c_uint64)
    ruleset = library.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    try:
        allowed = library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        return bool(allowed and library.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
