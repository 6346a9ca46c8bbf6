"""The ledger of one sending job: what it holds, under a lease, and what became of each delivery.

Promises that one statement, so one commit, records results and begins the next messages; that a job whose lease ran out
begins nothing more; and that what a dead job held is queued again if it was never begun, and *unknown* if it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.messages.contracts import DeliveryState, Fate, Outcome, Reason, Result
from misentinel.messages.queries.reports import answer_place
from misentinel.store.contracts import Store
from misentinel.store.statements import byteas, moments, run, texts, uuids
from misentinel.trail.actions import record_many
from misentinel.trail.contracts import Tag
from misentinel.vault import queries as vault

if TYPE_CHECKING:
    from misentinel.messages.jobs.claims import Claim

LEASE_SECONDS = 30.0
MOST_ATTEMPTS = 10
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 30, 4 * 3600

_OPEN = "INSERT INTO messages_run (id, lease_until) VALUES (%s, clock_timestamp() + make_interval(secs => %s))"
_BEAT = """
UPDATE messages_run SET lease_until = clock_timestamp() + make_interval(secs => %s)
WHERE id = %s AND lease_until > clock_timestamp()
"""
# A result is the truth even where a successor already took the delivery for unknown. `at` is when it ended, or when it
# is due again. The lease needs no lock: whoever takes the delivery away changes its state or its run.
_RECORD = """
WITH ended AS (
    UPDATE messages_delivery d SET
        state = r.state, waiting = (r.state = 'queued'), reason = r.reason, code = r.code::int,
        answer = NULLIF(r.answer, ''::bytea), attempts = d.attempts + 1,
        due_at = CASE r.state WHEN 'queued' THEN r.at ELSE d.due_at END,
        ended_at = CASE r.state WHEN 'queued' THEN NULL ELSE r.at END
    FROM unnest(%b, %b, %b, %b, %b, %b) AS r(id, state, reason, code, answer, at)
    WHERE d.id = r.id AND d.run_id = %b AND d.state IN ('claimed', 'sending', 'unknown')
), begun AS (
    UPDATE messages_delivery SET state = 'sending'
    WHERE id = ANY(%b) AND run_id = %b AND state = 'claimed'
      AND EXISTS (SELECT FROM messages_run WHERE id = %b AND lease_until > clock_timestamp())
    RETURNING id
)
SELECT id FROM begun
"""
_RELEASE = """
UPDATE messages_delivery SET state = 'queued', waiting = TRUE, run_id = NULL, reason = %s, due_at = GREATEST(due_at, %s)
WHERE id = ANY(%s) AND run_id = %s AND state = 'claimed'
"""
_DEAD = "SELECT id FROM messages_run WHERE lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED"
_TAKE_BACK = """
UPDATE messages_delivery SET
    state = CASE state WHEN 'sending' THEN 'unknown' ELSE 'queued' END, waiting = (state = 'claimed'),
    reason = CASE state WHEN 'sending' THEN 'worker_lost' ELSE '' END,
    ended_at = CASE state WHEN 'sending' THEN %s::timestamptz END
WHERE run_id = ANY(%s) AND state IN ('claimed', 'sending') RETURNING id, person_id, state
"""
_ROW = tuple[UUID, str, str, str, bytes, datetime]  # id, state, reason, code, sealed answer or nothing, moment


class RowLedger:
    """See `ports.Ledger`. One for each job; not for several threads."""

    def __init__(self, store: Store, lease_seconds: float = LEASE_SECONDS) -> None:
        self.store, self.run_id, self.lease_seconds = store, new_id(), lease_seconds
        self.counts: dict[DeliveryState, int] = {}
        self._held: dict[UUID, Claim] = {}
        self._dropped: list[_ROW] = []
        self._beaten = time.monotonic()
        with store.connection.cursor() as cursor:
            cursor.execute(_OPEN, [self.run_id, lease_seconds])

    def hold(self, claims: Iterable[Claim]) -> None:
        """Learn what was claimed for this job."""
        self._held.update((claim.id, claim) for claim in claims)

    def drop(self, delivery_id: UUID, reason: Reason) -> None:
        """A delivery cannot be made; it is recorded with the next results."""
        self._held.pop(delivery_id, None)
        ours = reason in (Reason.TEMPLATE, Reason.UNREADABLE)
        state = DeliveryState.FAILED if ours else DeliveryState.SKIPPED
        self._count(state)
        self._dropped.append((delivery_id, state.value, reason.value, "0", b"", now()))

    def record(self, results: Sequence[Result], starting: Sequence[UUID]) -> frozenset[UUID]:
        rows = [*self._dropped, *(self._row(result) for result in results)]
        self._dropped = []
        doubtful = [row[0] for row in rows if row[1] == DeliveryState.UNKNOWN.value]
        self.beat()
        if not doubtful:
            return self._execute(rows, starting)
        with self.store.atomic():
            begun = self._execute(rows, starting)
            _tell_doubt(self.store, doubtful, Reason.NO_ANSWER)
        return begun

    def beat(self) -> None:
        if time.monotonic() - self._beaten > self.lease_seconds / 4:
            self._beaten = time.monotonic()
            with self.store.connection.cursor() as cursor:
                cursor.execute(_BEAT, [self.lease_seconds, self.run_id])

    def close(self, wait_seconds: float = 0, reason: Reason | None = None) -> None:
        """End the job. What it claimed and did not begin is queued again, for after `wait_seconds`."""
        self.record([], [])
        again = now() + timedelta(seconds=wait_seconds)
        with self.store.atomic(), self.store.connection.cursor() as cursor:
            cursor.execute(_RELEASE, [reason.value if reason else "", again, list(self._held), self.run_id])
            cursor.execute("DELETE FROM messages_run WHERE id = %s", [self.run_id])

    def _execute(self, rows: list[_ROW], starting: Sequence[UUID]) -> frozenset[UUID]:
        if not rows and not starting:
            return frozenset()
        ids, states, reasons, codes, answers, at = zip(*rows, strict=True) if rows else ((),) * 6
        begun = run(
            self.store, _RECORD,
            [
                uuids(ids), texts(states), texts(reasons), texts(codes), byteas(answers), moments(at), self.run_id,
                uuids(starting), self.run_id, self.run_id,
            ],
        )  # fmt: skip
        return frozenset(row[0] for row in begun)

    def _row(self, result: Result) -> _ROW:
        outcome, claim = result.outcome, self._held.pop(result.id, None)
        state, reason = _meaning(outcome, claim.attempts + 1 if claim else MOST_ATTEMPTS)
        self._count(state)
        code = str(outcome.code)
        if state is DeliveryState.QUEUED:
            wait = min(_FIRST_WAIT_SECONDS * 2 ** (claim.attempts if claim else 0), _LONGEST_WAIT_SECONDS)
            return result.id, state.value, reason, code, b"", now() + timedelta(seconds=wait)
        answer = self._sealed(claim, outcome) if claim and outcome.words else b""
        return result.id, state.value, reason, code, answer, now()

    def _sealed(self, claim: Claim, outcome: Outcome) -> bytes:
        key = vault.person_keys(self.store.customer_id, [claim.person_id]).get(claim.person_id)
        return key.seal(answer_place(claim.id), outcome.words.encode()) if key else b""

    def _count(self, state: DeliveryState) -> None:
        self.counts[state] = self.counts.get(state, 0) + 1


def recover(store: Store) -> int:
    """Takes back what dead jobs held, and returns how many deliveries: never begun ones are queued, begun ones are
    unknown and never sent again by themselves.
    """
    with store.atomic(), store.connection.cursor() as cursor:
        cursor.execute(_DEAD)
        dead = [run_id for (run_id,) in cursor.fetchall()]
        if not dead:
            return 0
        cursor.execute(_TAKE_BACK, [now(), dead])
        taken = cursor.fetchall()
        cursor.execute("DELETE FROM messages_run WHERE id = ANY(%s)", [dead])
        doubtful = [row[0] for row in taken if row[2] == DeliveryState.UNKNOWN.value]
        _tell_doubt(store, doubtful, Reason.WORKER_LOST)
    return len(taken)


def _meaning(outcome: Outcome, attempts: int) -> tuple[DeliveryState, str]:
    if outcome.fate is Fate.ACCEPTED:
        return DeliveryState.SENT, ""
    if outcome.fate is Fate.REFUSED:
        return DeliveryState.FAILED, Reason.REFUSED.value
    if outcome.fate is Fate.DOUBTFUL:
        return DeliveryState.UNKNOWN, Reason.NO_ANSWER.value
    reason = Reason.DEFERRED if outcome.fate is Fate.DEFERRED else Reason.UNREACHABLE
    return DeliveryState.FAILED if attempts >= MOST_ATTEMPTS else DeliveryState.QUEUED, reason.value


def _tell_doubt(store: Store, delivery_ids: Iterable[UUID], reason: Reason) -> None:
    record_many(
        store, system("sender"), Tag.DELIVERY_DOUBT, list(delivery_ids), object_kind="delivery",
        details={"reason": reason.value},
    )  # fmt: skip
