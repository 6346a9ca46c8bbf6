"""SMTP over a few connections at once, in one thread, with one commit for whatever is ready.

Promises that the ledger knows a message as begun before its first byte of content leaves, and the result
of the message before it on that connection by then at the latest: whenever this process dies, at most one
message per connection is in doubt. The cost of a commit is shared by all connections that are ready at
that moment.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from misentinel.messages.channels.lane import Lane, LaneLost
from misentinel.messages.channels.server import Server, connect
from misentinel.messages.contracts import Fate, Outcome, Prepared, Result
from misentinel.messages.ports import ChannelDown, Ledger

BEAT_SECONDS = 2.0
_FRUITLESS_LIMIT = 3
_GATHER_SECONDS = 0.004
_LINGER_SECONDS = 0.02  # a result waits this long to share the commit of the next beginning


@dataclass(frozen=True, slots=True)
class SmtpChannel:
    """Hands messages to `server` over at most `connections` connections."""

    server: Server
    connections: int = 8

    def send(self, messages: Iterable[Prepared], ledger: Ledger) -> None:
        """See `ports.Channel`."""
        run = _Run(lambda: Lane(connect(self.server)), self.connections, iter(messages), ledger)
        try:
            run.work()
        finally:
            run.close()


class _Run:
    def __init__(self, dial: Callable[[], Lane], limit: int, messages: Iterator[Prepared], ledger: Ledger) -> None:
        self.dial, self.limit, self.messages, self.ledger = dial, limit, messages, ledger
        self.selector = selectors.DefaultSelector()
        self.lanes: list[Lane] = []
        self.again: deque[Prepared] = deque()
        self.results: list[Result] = []
        self.fruitless = 0
        self.fault: Exception | None = None

    def work(self) -> None:
        while True:
            self._fill()
            if all(lane.idle for lane in self.lanes):
                break
            if any(lane.ready for lane in self.lanes):
                self._gather()
                self._start_ready()
            else:
                self._wait()
        self._record([])
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        """Whatever ended the run, what is known is recorded, and what was only opened is left unbegun."""
        for lane in list(self.lanes):
            if lane.idle:
                lane.close()
                self._forget(lane)
            else:
                self._lose(lane, "sending stopped")
        self.selector.close()
        self._record([])

    def _fill(self) -> None:
        for lane in [lane for lane in self.lanes if lane.idle]:
            message = self._next()
            if message is None:
                return
            self._open(lane, message)
        while len(self.lanes) < self.limit:
            message = self._next()
            if message is None:
                return
            self.again.appendleft(message)  # it stays ours while we dial
            dialled = self._dial()
            if dialled is None:
                return
            self._open(dialled, self.again.popleft())

    def _next(self) -> Prepared | None:
        if self.again:
            return self.again.popleft()
        try:
            return next(self.messages, None)
        except Exception as fault:  # noqa: BLE001  raised by `work`, once what is on its way has its answer
            self.fault, self.messages = fault, iter(())
            return None

    def _dial(self) -> Lane | None:
        """Opens another connection. Servers that allow fewer than we would like are served with fewer."""
        if self.fruitless >= _FRUITLESS_LIMIT:
            raise ChannelDown("the server keeps closing connections before it takes a message")
        try:
            lane = self.dial()
        except ChannelDown:
            if not self.lanes:
                raise
            self.limit = len(self.lanes)
            return None
        self.lanes.append(lane)
        self.selector.register(lane.sock, selectors.EVENT_READ, lane)
        return lane

    def _open(self, lane: Lane, message: Prepared) -> None:
        try:
            lane.open(message)
        except LaneLost as lost:
            self._lose(lane, str(lost))

    def _start_ready(self) -> None:
        ready = [(lane, lane.opening, self._next()) for lane in self.lanes if lane.ready and lane.opening]
        allowed = self._record([message.id for _, message, _ in ready])
        for lane, message, following in ready:
            if message.id in allowed:
                self._transmit(lane, message, following)
            else:
                self._abandon(lane, following)

    def _transmit(self, lane: Lane, message: Prepared, following: Prepared | None) -> None:
        try:
            lane.transmit(following)
        except LaneLost as lost:
            if lane.opening is message:  # not a byte of it left, but the ledger believes so
                lane.opening = None
                self.results.append(Result(message.id, Outcome(Fate.UNSENT, words=str(lost))))
            if following is not None and lane.opening is not following:
                self.again.appendleft(following)
            self._lose(lane, str(lost))

    def _abandon(self, lane: Lane, following: Prepared | None) -> None:
        """The server waits for content that must not go out any more: only closing takes an envelope back."""
        lane.finished += 1
        lane.opening = None
        if following is not None:
            self.again.appendleft(following)
        self._lose(lane, "the message was taken back")

    def _gather(self) -> None:
        """Lets lanes that are about to be ready share the commit of those that are, for a few milliseconds at most."""
        until = time.monotonic() + _GATHER_SECONDS
        while any(not lane.ready and not lane.idle for lane in self.lanes):
            if time.monotonic() > until or not self._receive(_GATHER_SECONDS / 4):
                return

    def _wait(self) -> None:
        now = time.monotonic()
        if not self._receive(_LINGER_SECONDS if self.results else BEAT_SECONDS):
            self._record([])
        for lane in [lane for lane in self.lanes if not lane.idle and lane.deadline < now]:
            self._lose(lane, "the server did not answer in time")
        self.ledger.beat()

    def _receive(self, seconds: float) -> bool:
        events = self.selector.select(timeout=seconds)
        for key, _ in events:
            lane: Lane = key.data
            try:
                lane.receive()
            except LaneLost as lost:
                self._lose(lane, str(lost))
            else:
                self._collect(lane)
        return bool(events)

    def _collect(self, lane: Lane) -> None:
        self.results += lane.results
        lane.results = []

    def _lose(self, lane: Lane, why: str) -> None:
        self.fruitless = 0 if lane.finished else self.fruitless + 1
        taken_back = lane.lose(why)
        if taken_back is not None:
            self.again.appendleft(taken_back)
        self._collect(lane)
        self._forget(lane)

    def _forget(self, lane: Lane) -> None:
        self.selector.unregister(lane.sock)
        self.lanes.remove(lane)

    def _record(self, starting: list[UUID]) -> frozenset[UUID]:
        if not starting and not self.results:
            return frozenset()
        results, self.results = self.results, []
        return self.ledger.record(results, starting)
