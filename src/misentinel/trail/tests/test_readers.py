"""Who saw a person: counted over pages and lists alike, and following a log loses nothing and repeats nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from misentinel.kernel import clock
from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.ids import new_id
from misentinel.store.contracts import Store
from misentinel.trail.actions import record, seal
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.models import ArchiveHead, Entry
from misentinel.trail.queries import (
    all_entries,
    complete_since,
    follow,
    list_entries,
    list_readers,
    log_of,
    newest_index,
)

ASHA, BEN = (Actor(ActorKind.TEAMMATE, str(new_id())) for _ in range(2))
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def _look(store: Store, actor: Actor, tag: Tag, at: datetime, **told):
    with clock.held(at), store.atomic():
        return record(store, actor, tag, **told)


@pytest.fixture
def zoe(acme: Store):
    """Asha saw Zoe in a list and twice alone, Ben once; and much happened in which nobody saw her."""
    zoe, other, day = new_id(), new_id(), timedelta(days=1)
    _look(acme, ASHA, Tag.PERSON_LIST, MARCH, details={"shown": [str(other), str(zoe)]})
    _look(acme, ASHA, Tag.PERSON_VIEW, MARCH + day, person_id=zoe)
    _look(acme, ASHA, Tag.MAILBOX_VIEW, MARCH + 2 * day, person_id=zoe)
    _look(acme, BEN, Tag.PERSON_VIEW, APRIL - timedelta(microseconds=1), person_id=zoe)
    _look(acme, BEN, Tag.PERSON_VIEW, MARCH - timedelta(microseconds=1), person_id=zoe)
    _look(acme, BEN, Tag.PERSON_VIEW, APRIL, person_id=zoe)
    _look(acme, BEN, Tag.PERSON_LIST, MARCH + day, details={"shown": [str(other)]})
    _look(acme, BEN, Tag.PERSON_VIEW, MARCH + day, person_id=other)
    _look(acme, BEN, Tag.PERSON_EDIT, MARCH + day, person_id=zoe)
    return zoe


def test_readers_are_counted_over_pages_and_lists_within_the_range(acme: Store, zoe) -> None:
    found = list_readers(acme, zoe, since=MARCH, until=APRIL)
    assert [(r.actor_id, r.looks) for r in found] == [(ASHA.id, 3), (BEN.id, 1)]
    assert (found[0].first, found[0].last) == (MARCH, MARCH + timedelta(days=2))
    assert list_readers(acme, new_id(), since=MARCH, until=APRIL) == []


def test_the_entries_behind_a_reader_are_as_many_as_were_counted(acme: Store, zoe) -> None:
    for reader in list_readers(acme, zoe, since=MARCH, until=APRIL):
        wanted = EntryFilter(seen_person=zoe, actor_id=reader.actor_id, since=MARCH, until=APRIL)
        assert len(list_entries(acme, wanted).entries) == reader.looks


def test_another_customer_never_saw_them(zoe, bolt: Store) -> None:
    assert list_readers(bolt, zoe, since=None, until=None) == []


def test_a_noun_stands_for_all_of_its_tags(acme: Store, zoe) -> None:
    tags = {entry.tag for entry in list_entries(acme, EntryFilter(tag="person:")).entries}
    assert tags == {"person:list", "person:view", "person:edit"}
    assert list_entries(acme, EntryFilter(tag="no-such-noun:")).entries == []


def test_lists_are_found_by_their_own_index(acme: Store, zoe) -> None:
    with acme.connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        plan = Entry.objects.using(acme.alias).filter(
            details__has_key="shown", details__shown__contains=[str(zoe)]
        ).explain()  # fmt: skip
        cursor.execute("RESET enable_seqscan")
    assert "trail_by_shown" in plan


def test_where_the_database_has_let_go_of_entries_it_says_since_when_it_is_whole(acme: Store, zoe) -> None:
    assert complete_since(acme) is None
    ArchiveHead.objects.using(acme.alias).create(pruned=5)
    assert complete_since(acme) == Entry.objects.using(acme.alias).order_by("at").first().at


def test_a_follower_gets_each_sealed_entry_once_in_the_logs_order(acme: Store) -> None:
    log, wanted = log_of(acme), EntryFilter(tag="segment:create")
    seal(log)
    place = start = newest_index(log)
    made, seen = [], []
    for _ in range(3):
        late = new_id()  # made first, committed last: by its id it would be missed
        made.append(_look(acme, ASHA, Tag.SEGMENT_CREATE, MARCH))
        _look(acme, ASHA, Tag.SEGMENT_EDIT, MARCH)
        seal(log)
        found, place = follow(log, wanted, place)
        seen += found
        Entry.objects.using(acme.alias).create(
            id=late, tag="segment:create", outcome="done", actor_kind="teammate", actor_id=ASHA.id
        )
        made.append(late)
    seal(log)
    found, place = follow(log, wanted, place)
    assert [entry.id for _, entry in seen + found] == made
    assert [index for index, _ in seen + found] == sorted(index for index, _ in seen + found)
    assert follow(log, wanted, place) == ([], place)
    assert place == newest_index(log) == start + 9


def test_all_entries_come_once_however_many_pages_they_fill(acme: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from misentinel.trail.queries import entries

    monkeypatch.setattr(entries, "LARGEST_PAGE", 3)
    made = [_look(acme, ASHA, Tag.SEGMENT_CREATE, MARCH) for _ in range(7)]
    assert [entry.id for entry in all_entries(acme, EntryFilter(tag="segment:create"))] == made[::-1]
