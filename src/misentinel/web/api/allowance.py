"""How much a key may send: a token bucket for each, in this process (RFC 6585 answers 429, with Retry-After)."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

_MOST_KEYS = 10_000


class Allowance:
    """`rate` units a second for each key, a second's worth at once. What exceeds it is lent once and waited off, so
    that a batch larger than the bucket is not refused for ever.
    """

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, key: str, units: int) -> int:
        """Takes `units` for `key` and returns 0, or takes nothing and returns the seconds to wait."""
        with self._lock:
            at = self._clock()
            level, since = self._levels.get(key, (float(self._rate), at))
            level = min(float(self._rate), level + (at - since) * self._rate)
            wait = 0 if level > 0 else max(1, math.ceil(-level / self._rate))
            self._levels[key] = (level if wait else level - units, at)
            self._levels.move_to_end(key)
            if len(self._levels) > _MOST_KEYS:
                self._levels.popitem(last=False)
        return wait
