"""What came in is stored once, sealed, with its people, its entry and its outbox row; or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from django.db import connections

from misentinel.events import actions, queries
from misentinel.events.contracts import Reason, Status
from misentinel.events.models import EventRow
from misentinel.events.rules.protocol import parse
from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.people import queries as people
from misentinel.store import outbox
from misentinel.store.contracts import Topic
from misentinel.trail.contracts import EntryFilter, Outcome, Tag
from misentinel.trail.queries import list_entries
from misentinel.vault import actions as vault_actions

ACTOR = Actor(ActorKind.WRITE_KEY, "key-1")
CARD = "4111 1111 1111 1111"


def track(user="asha", message=None, name="Plan selected", **more):
    return {"type": "track", "event": name, "userId": user, **({"messageId": message} if message else {}), **more}


def send(store, *items, at=None):
    return actions.ingest(store, ACTOR, parse(orjson.dumps({"batch": items}), "batch", at or now()))


def statuses(verdicts):
    return [verdict.status for verdict in verdicts]


def put_out(store):
    """Drains the outbox and returns what each topic was told, in order."""
    told = {topic: [] for topic in Topic}
    outbox.drain(store, {topic: [lambda _, payload, topic=topic: told[topic].append(payload)] for topic in Topic})
    return told


def test_an_event_is_stored_sealed_and_opened_on_its_person_s_timeline(acme):
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    item = track(message="m-1", timestamp=at.isoformat(), properties={"price": 9.5, "coupon": "LEEDS"})
    assert statuses(send(acme, item)) == [Status.ACCEPTED]
    asha = people.find_by_user_id(acme, "asha")
    (event,) = queries.timeline(acme, asha)
    assert (event.type, event.name, event.at, event.document) == ("track", "Plan selected", at, item)
    row = EventRow.objects.using(acme.alias).get()
    assert row.match["price"] == 9.5 and "LEEDS" not in orjson.dumps(row.match).decode()
    assert b"LEEDS" not in bytes(row.sealed)


def test_a_message_that_came_before_changes_nothing_not_even_its_person(acme):
    first = {"type": "identify", "userId": "asha", "messageId": "m-1", "traits": {"plan": "free"}}
    second = {"type": "identify", "userId": "asha", "messageId": "m-2", "traits": {"plan": "pro"}}
    assert statuses(send(acme, first, second, second)) == [Status.ACCEPTED, Status.ACCEPTED, Status.DUPLICATE]
    assert statuses(send(acme, first)) == [Status.DUPLICATE]
    assert people.get_person(acme, people.find_by_user_id(acme, "asha")).traits == {"plan": "pro"}
    assert queries.count_events(acme) == 2


def test_the_same_message_at_another_customer_is_another_message(acme, bolt):
    assert statuses(send(acme, track(message="m-1"))) == statuses(send(bolt, track(message="m-1"))) == [Status.ACCEPTED]


def test_a_card_number_is_refused_counted_on_the_trail_and_found_nowhere(acme, caplog):
    items = [track(message="m-1"), track(message="m-2", properties={"card": CARD}), track(message="m-3")]
    verdicts = send(acme, *items)
    assert statuses(verdicts) == [Status.ACCEPTED, Status.REFUSED, Status.ACCEPTED]
    assert (verdicts[1].code, verdicts[1].path) == (Reason.CARD_NUMBER, "/properties/card")
    (entry,) = list_entries(acme, EntryFilter(tag=Tag.CARD_REFUSE)).entries
    assert (entry.outcome, entry.details) == (Outcome.REFUSED, {"count": 1, "paths": {"/properties/card": 1}})
    for table in ("events_event", "people_person", "trail_entry", "store_outboxrow"):
        with acme.connection.cursor() as cursor:
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            (everything,) = cursor.fetchone()
        for readable in (CARD, CARD.replace(" ", "")):
            assert readable not in everything and readable.encode().hex() not in everything
    assert CARD not in caplog.text + "".join(verdict.reason + verdict.path for verdict in verdicts)


def test_one_entry_and_one_row_in_the_outbox_tell_of_a_batch(acme):
    send(acme, *(track(message=f"m-{n}", name=f"Event {n % 2}") for n in range(5)), {"type": "nonsense"})
    (entry,) = list_entries(acme, EntryFilter(tag=Tag.EVENT_RECEIVE)).entries
    assert entry.details == {"received": 6, "accepted": 5, "refused": {"unknown_type": 1}}
    assert (entry.actor_kind, entry.actor_id) == ("write_key", "key-1")
    (told,) = put_out(acme)[Topic.EVENTS_RECEIVED]
    assert (told["names"], told["types"]) == (["Event 0", "Event 1"], ["track"])
    first, last = UUID(told["first"]), UUID(told["last"])
    assert len(queries.list_between(acme, first, last)) == 5
    assert len(queries.list_between(acme, first, last, names=["Event 1"])) == 2


def test_nothing_is_left_of_a_batch_that_fails_half_way(acme, monkeypatch):
    def broken(*_):
        raise RuntimeError("the power failed")

    monkeypatch.setattr(actions, "_announce", broken)
    with pytest.raises(RuntimeError):
        send(acme, track(message="m-1"))
    monkeypatch.undo()
    assert queries.count_events(acme) == people.count_people(acme) == outbox.count_waiting(acme) == 0
    assert statuses(send(acme, track(message="m-1"))) == [Status.ACCEPTED]


def test_what_somebody_did_before_they_said_who_they_are_becomes_theirs(acme):
    send(acme, {"type": "page", "anonymousId": "a-1", "name": "Pricing", "messageId": "m-1"})
    send(acme, {"type": "identify", "userId": "asha", "messageId": "m-2", "traits": {"plan": "pro"}})
    asha = people.find_by_user_id(acme, "asha")
    assert [event.name for event in queries.timeline(acme, asha)] == [""]
    send(acme, {"type": "identify", "userId": "asha", "anonymousId": "a-1", "messageId": "m-3"})
    timeline = queries.timeline(acme, asha)
    assert sorted(event.document["messageId"] for event in timeline) == ["m-1", "m-2", "m-3"]
    ((absorbed, survivor),) = put_out(acme)[Topic.PEOPLE_CHANGED][-1]["merged"].items()
    assert survivor == str(asha)
    vault_actions.shred_person(acme.customer_id, UUID(absorbed))
    assert all(event.document for event in queries.timeline(acme, asha)), "nothing of hers needs the absorbed key"
    assert people.count_people(acme) == 1


def test_an_alias_joins_two_people_with_all_their_events(acme):
    send(acme, track(user="old-asha", message="m-1"), track(user="asha", message="m-2"))
    send(acme, {"type": "alias", "userId": "asha", "previousId": "old-asha", "messageId": "m-3"})
    assert queries.count_events(acme, person_id=people.find_by_user_id(acme, "asha")) == 3
    assert people.find_by_user_id(acme, "old-asha") == people.find_by_user_id(acme, "asha")


def test_an_event_of_somebody_erased_is_refused_and_its_neighbour_kept(acme):
    send(acme, track(message="m-1"))
    vault_actions.shred_person(acme.customer_id, people.find_by_user_id(acme, "asha"))
    verdicts = send(acme, track(message="m-2"), track(user="ben", message="m-3"))
    assert statuses(verdicts) == [Status.REFUSED, Status.ACCEPTED]
    assert verdicts[0].code is Reason.ERASED
    assert queries.count_events(acme) == 2


def together(*calls):
    """Runs the calls at once, each in a thread with connections of its own; returns what they returned, or raises."""

    def run(call):
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [running.result(timeout=60) for running in [threads.submit(run, call) for call in calls]]


def test_batches_that_overlap_in_any_order_store_each_message_once(acme):
    def batch(order):
        items = [track(user=f"u-{n % 7}", message=f"m-{n}", anonymousId=f"a-{n % 5}") for n in order]
        return lambda: statuses(send(acme, *items))

    orders = [list(range(60)), list(range(60))[::-1], list(range(30, 90)), list(range(0, 90, 2))]
    told = [status for each in together(*map(batch, orders)) for status in each]
    assert queries.count_events(acme) == 90 == told.count(Status.ACCEPTED)
    opened = [queries.timeline(acme, people.find_by_user_id(acme, f"u-{n}"), limit=100) for n in range(7)]
    assert sum(len(events) for events in opened) == 90
    assert all(event.document for events in opened for event in events)


def test_merges_while_events_come_in_lose_nothing(acme):
    """Two threads: one sends a device's events, the other says over and over whose the device is."""

    def anonymous():
        for n in range(40):
            send(acme, {"type": "page", "anonymousId": f"a-{n // 4}", "messageId": f"p-{n}"})

    def identified():
        for n in range(40):
            send(acme, {"type": "identify", "userId": "asha", "anonymousId": f"a-{n // 4}", "messageId": f"i-{n}"})

    send(acme, track(message="first"))
    together(anonymous, identified)
    for told in put_out(acme)[Topic.PEOPLE_CHANGED]:
        vault_actions.shred_people(acme.customer_id, map(UUID, told["merged"]))
    timeline = queries.timeline(acme, people.find_by_user_id(acme, "asha"), limit=100)
    assert len(timeline) == 81 and all(event.document for event in timeline)


def test_a_timeline_pages_without_gap_or_repeat(acme):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    send(acme, *(track(message=f"m-{n}", timestamp=(start + timedelta(minutes=n // 3)).isoformat()) for n in range(10)))
    asha = people.find_by_user_id(acme, "asha")
    seen, after = [], None
    for _ in range(5):
        page = queries.timeline(acme, asha, after=after, limit=3)
        if not page:
            break
        seen += [event.document["messageId"] for event in page]
        after = page[-1]
    assert sorted(seen) == sorted(f"m-{n}" for n in range(10)) and len(seen) == 10
