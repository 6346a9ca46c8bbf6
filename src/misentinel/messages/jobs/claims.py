"""Claiming what is due, and making each message. The claim itself asks whether the person may still be written to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from misentinel.events.contracts import EventView
from misentinel.events.queries import open_events
from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, Tampered
from misentinel.messages.contracts import Kind, MessageView, Prepared, Reason
from misentinel.messages.jobs.ledger import RowLedger
from misentinel.messages.jobs.mailer import Mailer
from misentinel.messages.queries.messages import content_of, get_message
from misentinel.messages.queries.unsubscribing import unsubscribe_urls
from misentinel.messages.rules.mime import Envelope, Sender, compose, normal_address
from misentinel.messages.rules.templates import compile_content, context_for
from misentinel.people.contracts import Person
from misentinel.people.queries import open_many
from misentinel.store.contracts import Store
from misentinel.trail.actions import record
from misentinel.trail.contracts import Tag

BATCH = 200

# A person who was merged is written to as who they are now, once: of several deliveries the first is kept.
_CLAIM = """
WITH due AS (
    SELECT id FROM messages_delivery WHERE waiting AND due_at <= %(now)s
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT d.id, t.id AS person_id, t.match->>'email' AS address, CASE
        WHEN m.state NOT IN ('live', 'sending') THEN 'paused'
        WHEN t.id IS NULL THEN 'erased'
        WHEN EXISTS (
            SELECT FROM messages_suppression s
            WHERE s.subject IN ('p:' || d.person_id, 'p:' || t.id, 'e:' || (t.match->>'email'))
        ) THEN 'unsubscribed'
        WHEN p.id <> t.id AND EXISTS (
            SELECT FROM messages_delivery o LEFT JOIN people_person q ON q.id = o.person_id
            WHERE o.message_id = d.message_id AND o.entry = d.entry AND o.id <> d.id
              AND (o.person_id = t.id OR (q.merged_into = t.id AND o.id < d.id))
        ) THEN 'merged'
        ELSE '' END AS reason
    FROM due JOIN messages_delivery d USING (id) JOIN messages_message m ON m.id = d.message_id
    LEFT JOIN people_person p ON p.id = d.person_id
    LEFT JOIN people_person t ON t.id = COALESCE(p.merged_into, p.id)
)
UPDATE messages_delivery d SET
    state = CASE j.reason WHEN '' THEN 'claimed' ELSE 'skipped' END, waiting = FALSE, reason = j.reason,
    run_id = %(run)s, address = COALESCE(j.address, ''), ended_at = CASE j.reason WHEN '' THEN NULL ELSE %(now)s END
FROM judged j WHERE d.id = j.id
RETURNING d.id, d.message_id, j.person_id, d.entry, d.attempts, d.reason
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours to make. `person_id` is who the person is now."""

    id: UUID
    message_id: UUID
    person_id: UUID
    entry: UUID
    attempts: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What was claimed at once, and what it became: messages, and reasons for which there is none."""

    claims: list[Claim]
    made: list[Prepared]
    dropped: list[tuple[UUID, Reason]]


def batches(store: Store, mailer: Mailer, ledger: RowLedger) -> Iterator[Batch]:
    """Claims what is due, batch by batch, and makes its messages. The ledger holds each claim at once."""
    messages: dict[UUID, MessageView] = {}
    link = unsubscribe_urls(mailer.base_url, store.customer_id)
    while claims := _claim(store, ledger.run_id):
        ledger.hold(claims)
        batch = Batch(claims, [], [])
        people, unreadable = _open(store, {claim.person_id for claim in claims})
        for message_id in {claim.message_id for claim in claims} - messages.keys():
            messages[message_id] = get_message(store, message_id)
        entries = [claim.entry for claim in claims if messages[claim.message_id].kind is Kind.AUTO]
        events = open_events(store, entries) if entries else {}
        for claim in claims:
            made: Prepared | Reason = Reason.UNREADABLE
            if claim.person_id not in unreadable:
                made = _make(mailer, link, claim, messages[claim.message_id], people.get(claim.person_id), events)
            if isinstance(made, Reason):
                batch.dropped.append((claim.id, made))
            else:
                batch.made.append(made)
        yield batch


def _claim(store: Store, run_id: UUID) -> list[Claim]:
    with store.atomic():
        with store.connection.cursor() as cursor:
            cursor.execute(_CLAIM, {"now": now(), "limit": BATCH, "run": run_id})
            rows = cursor.fetchall()
        claims = [Claim(*row[:5]) for row in rows if not row[5]]
        if rows:
            skipped = Counter(row[5] for row in rows if row[5])
            record(
                store, system("sender"), Tag.DELIVERY_ATTEMPT, object_kind="run", object_id=run_id,
                details={"claimed": len(claims), "skipped": dict(skipped)},
            )  # fmt: skip
    if rows and not claims:
        return _claim(store, run_id)
    return claims


def _open(store: Store, person_ids: set[UUID]) -> tuple[dict[UUID, Person], set[UUID]]:
    """Returns the people opened, and whose document was tampered with: one of those must not stop everybody else."""
    try:
        return open_many(store, person_ids), set()
    except Tampered:
        people: dict[UUID, Person] = {}
        unreadable: set[UUID] = set()
        for person_id in person_ids:
            try:
                people |= open_many(store, [person_id])
            except Tampered:
                unreadable.add(person_id)
        return people, unreadable


def _make(
    mailer: Mailer,
    link: Callable[[UUID], str],
    claim: Claim,
    message: MessageView,
    person: Person | None,
    events: Mapping[UUID, EventView],
) -> Prepared | Reason:
    if person is None:
        return Reason.ERASED
    recipient = normal_address(person.email)
    if recipient is None:
        return Reason.NO_ADDRESS
    url = link(claim.id)
    context = context_for(str(person.id), person.traits, _told_of(events.get(claim.entry)), url)
    try:
        rendered = compile_content(content_of(message)).render(context)
    except Invalid:
        return Reason.TEMPLATE
    sender = Sender.parse(message.draft.sender) if message.draft.sender else mailer.sender
    moment = now()
    data = compose(Envelope(str(claim.id), sender, recipient, url, moment), rendered)
    if mailer.signer is not None:
        data = mailer.signer.sign(data, sender.domain, moment)
    return Prepared(claim.id, claim.person_id, sender.address, recipient, data)


def _told_of(event: EventView | None) -> dict[str, Any] | None:
    """What a template may say of its event: the properties, by their names and under `properties`, name and moment."""
    if event is None or event.document is None:
        return None
    properties = event.document.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return {**properties, "properties": properties, "name": event.name, "at": event.at.isoformat()}
