from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import DatabaseError, connections, transaction

from misentinel.kernel import clock
from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.errors import NotFound
from misentinel.kernel.ids import new_id
from misentinel.store.contracts import Store
from misentinel.trail import actions
from misentinel.trail.actions import copy_pending, record, record_control, record_many, recording
from misentinel.trail.contracts import EntryFilter, Outcome, Tag
from misentinel.trail.models import Entry, PendingCopy
from misentinel.trail.queries import get_entry, list_entries, list_platform_entries
from misentinel.trail.rules.leaves import leaf_of
from misentinel.vault import actions as vault

ASHA = Actor(ActorKind.TEAMMATE, str(new_id()), "session-1", "203.0.113.9", str(new_id()))


def _record(store: Store, tag: Tag = Tag.PERSON_EDIT, **told):
    with store.atomic():
        return record(store, ASHA, tag, **told)


def test_an_entry_says_who_what_which_from_where_and_how_it_went(acme: Store) -> None:
    person = new_id()
    entry_id = _record(acme, object_kind="person", object_id=person, person_id=person, details={"fields": ["name"]})
    entry = get_entry(acme, entry_id)
    assert (entry.actor_kind, entry.actor_id, entry.credential) == ("teammate", ASHA.id, "session-1")
    assert (entry.address, entry.request_id, entry.tag) == ("203.0.113.9", ASHA.request_id, "person:edit")
    assert (entry.object_kind, entry.object_id, entry.person_id) == ("person", str(person), person)
    assert (entry.outcome, entry.details) == ("done", {"fields": ["name"]})


def test_an_entry_is_rolled_back_with_its_change(acme: Store) -> None:
    with pytest.raises(RuntimeError), acme.atomic():
        record(acme, ASHA, Tag.PERSON_EDIT)
        raise RuntimeError
    assert list_entries(acme, EntryFilter(tag="person:edit")).entries == []


def test_before_and_after_are_sealed_and_open_for_the_trails_readers(acme: Store) -> None:
    person = new_id()
    entry_id = _record(acme, person_id=person, before={"name": "Zebedee"}, after={"name": "Zachary"})
    with acme.connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM trail_entry e WHERE id = %s", [entry_id])
        assert "Zebedee" not in cursor.fetchone()[0]
    entry = get_entry(acme, entry_id)
    assert (entry.before, entry.after) == ({"name": "Zebedee"}, {"name": "Zachary"})
    assert list_entries(acme).entries[0].before is None


def test_after_erasure_the_entry_stays_and_what_was_sealed_is_lost(acme: Store) -> None:
    person = new_id()
    entry_id = _record(acme, person_id=person, before={"name": "Zebedee"})
    vault.shred_person(acme.customer_id, person)
    entry = get_entry(acme, entry_id)
    assert (entry.before, entry.sealed_unreadable) == (None, True)
    later = get_entry(acme, _record(acme, person_id=person, before={"name": "Zebedee"}))
    assert (later.before, later.sealed_unreadable) == (None, False)  # nothing is sealed for the erased again


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE trail_entry SET tag = 'person:view'",
        "DELETE FROM trail_entry",
        "TRUNCATE trail_entry",
        "ALTER TABLE trail_entry DISABLE TRIGGER ALL",
        "DROP TRIGGER trail_entry_is_append_only ON trail_entry",
    ],
)
def test_the_customers_role_cannot_change_or_remove_an_entry(acme: Store, attack: str) -> None:
    _record(acme)
    with pytest.raises(DatabaseError) as refused, acme.atomic(), acme.connection.cursor() as cursor:
        cursor.execute(attack)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    "attack", ["UPDATE trail_entry SET tag = 'x'", "DELETE FROM trail_entry", "TRUNCATE trail_entry"]
)
def test_nor_does_the_platform_log_let_its_owner(attack: str) -> None:
    record_control(system("test"), Tag.SERVICE_START)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connections["default"].cursor() as c:
        c.execute(attack)


def test_what_happens_to_control_data_reaches_the_customers_own_trail(acme: Store) -> None:
    with transaction.atomic():
        entry_id = record_control(
            ASHA, Tag.TEAMMATE_PERMIT, customer_id=acme.customer_id, before={"p": ["trail"]}, after={"p": []}
        )
    assert get_entry(acme, entry_id).after == {"p": []}
    assert entry_id in [e.id for e in list_platform_entries(EntryFilter(tag="teammate:permit")).entries]


def test_a_copy_that_a_crash_left_out_is_made_by_the_sweep_and_only_once(
    acme: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> int:
        raise SystemExit

    monkeypatch.setattr(recording, "copy_pending", crash)
    with pytest.raises(SystemExit):
        entry_id = record_control(ASHA, Tag.TEAMMATE_INVITE, customer_id=acme.customer_id)
    monkeypatch.undo()
    assert list_entries(acme, EntryFilter(tag="teammate:invite")).entries == []
    waiting = PendingCopy.objects.get(customer_id=acme.customer_id)
    entry_id = waiting.entry_id
    copy_pending()
    assert get_entry(acme, entry_id).tag == "teammate:invite"
    waiting.save(force_insert=True)  # as if the process had died between the copy and its note
    copy_pending()
    assert Entry.objects.using(acme.alias).filter(id=entry_id).count() == 1


def test_a_change_that_rolls_back_leaves_no_entry_anywhere(acme: Store) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        record_control(ASHA, Tag.TEAMMATE_SUSPEND, customer_id=acme.customer_id)
        raise RuntimeError
    assert list_entries(acme, EntryFilter(tag="teammate:suspend")).entries == []
    assert not PendingCopy.objects.filter(customer_id=acme.customer_id).exists()


def test_pages_go_from_newest_to_oldest_without_gap_or_repeat(acme: Store) -> None:
    made = [_record(acme, Tag.PERSON_VIEW) for _ in range(7)]
    found, after = [], None
    while True:
        page = list_entries(acme, EntryFilter(tag="person:view"), after=after, limit=3)
        found += [e.id for e in page.entries]
        after = page.next
        if after is None:
            break
    assert found == made[::-1]


def test_filters_narrow_to_what_was_asked(acme: Store) -> None:
    person = new_id()
    start = clock.now()
    _record(acme, Tag.PERSON_VIEW, person_id=person)
    _record(acme, Tag.PERSON_VIEW, outcome=Outcome.REFUSED)
    for wanted, count in (
        (EntryFilter(person_id=person), 1),
        (EntryFilter(tag="person:view"), 2),
        (EntryFilter(outcome="refused"), 1),
        (EntryFilter(actor_id=ASHA.id), 2),
        (EntryFilter(actor_id="somebody-else"), 0),
        (EntryFilter(since=start, until=clock.now() + timedelta(seconds=1), tag="person:view"), 2),
        (EntryFilter(until=start, tag="person:view"), 0),
    ):
        assert len(list_entries(acme, wanted).entries) == count


def test_another_customers_entry_is_not_there(acme: Store, bolt: Store) -> None:
    entry_id = _record(acme)
    with pytest.raises(NotFound):
        get_entry(bolt, entry_id)


def test_noticing_counts_what_is_written_inside(acme: Store) -> None:
    with actions.noticing() as noticed:
        entry_id = _record(acme)
    _record(acme)
    assert noticed == [entry_id]


def test_what_happened_to_many_at_once_is_an_entry_for_each_in_their_order(acme: Store) -> None:
    objects = [new_id() for _ in range(5)]
    with actions.noticing() as noticed, acme.atomic():
        made = record_many(acme, ASHA, Tag.DELIVERY_DOUBT, objects, object_kind="delivery", details={"reason": "x"})
        one = record(acme, ASHA, Tag.DELIVERY_DOUBT, object_kind="delivery", object_id=objects[0])
    assert noticed == [*made, one] and record_many(acme, ASHA, Tag.DELIVERY_DOUBT, [], object_kind="delivery") == []
    found = list_entries(acme, EntryFilter(tag="delivery:doubt")).entries[::-1]
    assert [(e.id, e.object_id) for e in found[:5]] == list(zip(made, map(str, objects), strict=True))
    alone = Entry.objects.using(acme.alias).get(id=one)
    for row in Entry.objects.using(acme.alias).filter(id__in=made):
        alone.id, alone.at, alone.object_id, alone.details = row.id, row.at, row.object_id, {"reason": "x"}
        assert leaf_of(row) == leaf_of(alone), "an entry is the same, however it was written"
