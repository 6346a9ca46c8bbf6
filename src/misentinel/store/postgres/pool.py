"""At most `limit` connections to stores in this process, the least recently used closed first.

A thousand customers must not mean a thousand open connections. A connection is only ever handed out again under the
alias (so the role and database) it was opened for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from psycopg.pq import TransactionStatus

from misentinel.store.postgres.rest import is_at_rest


class Pool:
    """Idle connections by alias. `limit` bounds idle ones; those in use are bounded by the number of threads."""

    def __init__(self, limit: int = 32) -> None:
        self.limit = limit
        self._idle: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._lock = threading.Lock()
        self._in_use = 0

    def borrow(self, alias: str) -> Any | None:
        """Returns an idle, living connection of `alias`, or None if one must be opened."""
        while True:
            with self._lock:
                key = next((k for k in reversed(self._idle) if k[0] == alias), None)
                connection = self._idle.pop(key) if key else None
                if connection is None:
                    return None
            if is_at_rest(connection):
                with self._lock:
                    self._in_use += 1
                return connection
            connection.close()

    def opened(self) -> None:
        """Counts a connection that was just opened."""
        with self._lock:
            self._in_use += 1

    def give_back(self, alias: str, connection: Any) -> None:
        """Takes a connection back if it is clean and there is room; else closes it and the oldest idle ones."""
        dropped = []
        with self._lock:
            self._in_use -= 1
            clean = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
            if clean:
                self._idle[(alias, id(connection))] = connection
            else:
                dropped.append(connection)
            while self._idle and len(self._idle) + self._in_use > self.limit:
                dropped.append(self._idle.popitem(last=False)[1])
        for old in dropped:
            old.close()

    def forget(self, alias: str) -> None:
        """Closes the idle connections of `alias`, as before its database is dropped."""
        with self._lock:
            keys = [k for k in self._idle if k[0] == alias]
            dropped = [self._idle.pop(k) for k in keys]
        for old in dropped:
            old.close()

    def size(self) -> tuple[int, int]:
        """Returns (idle, in use)."""
        with self._lock:
            return len(self._idle), self._in_use


POOL = Pool()
