"""How much a credential may send: a token bucket for each (RFC 6585 answers 429, with Retry-After).

The buckets lie in memory that the web server's processes share, because it loads the program once and then forks: the
rate holds for a credential across the processes of one web server, and for each web server where there are several.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from threading import Lock

_BUCKET = struct.Struct("=8sdd")  # whose, how much is left, at which moment
_SETS = 4096
_WAYS = 4  # buckets in a set; a further credential takes the place of the one that was quiet for longest


class Allowance:
    """`rate` units a second for each key, a second's worth at once. What exceeds it is lent once and waited off, so
    that a batch larger than the bucket is not refused for ever.
    """

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = float(rate)
        self._clock = clock
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  kept open: its lock is what the processes share
        self._file.truncate(_SETS * _WAYS * _BUCKET.size)
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._threads = Lock()

    def take(self, key: str, units: int) -> int:
        """Takes `units` for `key` and returns 0, or takes nothing and returns the seconds to wait."""
        owner = blake2b(key.encode(), digest_size=8).digest()
        first = int.from_bytes(owner, "little") % _SETS * _WAYS * _BUCKET.size
        with self._locked():
            at = self._clock()
            place, level, since = self._find(owner, first, at)
            level = min(self._rate, level + (at - since) * self._rate)
            wait = 0 if level > 0 else max(1, math.ceil(-level / self._rate))
            _BUCKET.pack_into(self._memory, place, owner, level if wait else level - units, at)
        return wait

    def _find(self, owner: bytes, first: int, at: float) -> tuple[int, float, float]:
        """Returns where the owner's bucket is or may be, what it holds, and since when."""
        oldest, quiet_since = first, math.inf
        for place in range(first, first + _WAYS * _BUCKET.size, _BUCKET.size):
            found, level, since = _BUCKET.unpack_from(self._memory, place)
            if found == owner:
                return place, level, since
            if since < quiet_since:
                oldest, quiet_since = place, since
        return oldest, self._rate, at

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A record lock excludes other processes and ends with a process that is killed; it knows no threads."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
