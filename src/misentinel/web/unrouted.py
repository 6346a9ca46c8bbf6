"""Requests that reach no view: URLs that lead nowhere, and what Django itself cannot read. Each is on the platform log.

Anybody can send any number of these, so a flood is folded: of one address, and of all together, the first few a minute
leave an entry each, and after them only those whose number is a power of two, with that number. A flood of a million
leaves twenty entries and can be read off them to within half. Counted in each process by itself.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from django.http import HttpRequest

from misentinel.kernel.actor import anonymous
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag
from misentinel.web.requests import METHODS, RECORDED, address, request_id

PER_ADDRESS = 10
ALTOGETHER = 100
_MINUTE = 60.0
_MOST_ADDRESSES = 10_000
_EVERYBODY = ""


class Folding:
    """Which of many alike are told: the first `most` of a minute, then number 2ⁿ, each with its number."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def number(self, key: str) -> int:
        """Counts one more of `key`. Returns its number in this minute where it is to be told, else 0."""
        with self._lock:
            at = self._clock()
            since, count = self._counts.get(key, (at, 0))
            since, count = (since, count + 1) if at - since < _MINUTE else (at, 1)
            self._counts[key] = (since, count)
            self._counts.move_to_end(key)
            if len(self._counts) > _MOST_ADDRESSES:
                self._counts.popitem(last=False)
        return count if count <= self._most or count & (count - 1) == 0 else 0


_of_address = Folding(PER_ADDRESS)
_of_all = Folding(ALTOGETHER)


def record_unrouted(request: HttpRequest, error: str) -> None:
    """Leaves an entry, or counts. The path is nobody's business: it may hold anything, a person's name too."""
    if RECORDED in request.META:
        return
    number = _of_address.number(_network(address(request)))
    of_all = _of_all.number(_EVERYBODY) if number else 0
    if not of_all:
        return
    method = request.method if request.method in METHODS else "OTHER"
    record_control(
        anonymous(address(request), request_id(request)), Tag.ACCESS_REFUSE, outcome=Outcome.REFUSED,
        details={"error": error, "route": f"{method} nowhere", "number": number, "of_all": of_all},
    )  # fmt: skip


def _network(peer: str) -> str:
    """One subscriber holds a whole /64 of IPv6 (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    return peer if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
