"""The keys that this process holds unwrapped: few, and not for long.

Why hold any: unwrapping costs a query, and with AWS KMS a call over the network. What it costs: see `CACHE_SECONDS`.
A destroyed key is dropped here at once, also if another thread had just read it and was about to put it in.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from threading import Lock
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from misentinel.vault.contracts import CACHE_SECONDS, PersonKey, Tokens
from misentinel.vault.rules import Cipher

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Ticket(NamedTuple):
    """Taken before a key is read: how many drops there had been, and when."""

    drops: int
    at: float


class Held(Generic[K, V]):
    """At most `most` keys, least recently used out first, none longer than `seconds` after its reading began."""

    def __init__(self, most: int, seconds: float = CACHE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._drops = 0
        self._lock = Lock()

    def ticket(self) -> Ticket:
        return Ticket(self._drops, self._clock())

    def get(self, key: K) -> V | None:
        return self.get_many((key,)).get(key)

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        found: dict[K, V] = {}
        with self._lock:
            now, kept = self._clock(), self._kept
            for key in keys:
                entry = kept.get(key)
                if entry is None:
                    continue
                if entry[0] <= now:
                    del kept[key]
                    continue
                kept.move_to_end(key)
                found[key] = entry[1]
        return found

    def keep_many(self, items: Mapping[K, V], ticket: Ticket) -> None:
        """Holds `items`, unless anything was dropped since the ticket: what was read before may be destroyed."""
        with self._lock:
            if ticket.drops != self._drops:
                return
            until = ticket.at + self._seconds
            for key, value in items.items():
                self._kept[key] = (until, value)
                self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def drop(self, chosen: Callable[[K], bool]) -> None:
        with self._lock:
            self._drops += 1
            for key in [key for key in self._kept if chosen(key)]:
                del self._kept[key]

    def drop_many(self, keys: Iterable[K]) -> None:
        with self._lock:
            self._drops += 1
            for key in keys:
                self._kept.pop(key, None)

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"Held({len(self)} keys hidden)"


people: Held[tuple[UUID, UUID], PersonKey] = Held(20_000)
customers: Held[tuple[UUID, int], Cipher] = Held(2_000)
token_keys: Held[UUID, Tokens] = Held(2_000)
service: Held[str, bytes] = Held(100)
service_ciphers: Held[str, Cipher] = Held(100)


def drop_person_keys(customer_id: UUID, person_ids: Iterable[UUID]) -> None:
    people.drop_many([(customer_id, person_id) for person_id in person_ids])


def drop_customer(customer_id: UUID) -> None:
    people.drop(lambda key: key[0] == customer_id)
    customers.drop(lambda key: key[0] == customer_id)
    token_keys.drop_many([customer_id])


def drop_held_keys() -> None:
    """Drops every key this process holds. The next use reads the vault again."""
    people.drop(_any)
    customers.drop(_any)
    token_keys.drop(_any)
    service.drop(_any)
    service_ciphers.drop(_any)


def _any(_: object) -> bool:
    return True
