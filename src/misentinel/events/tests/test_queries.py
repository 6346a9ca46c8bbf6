"""Reading events: one person's, page by page, and what a batch brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from misentinel.events import queries
from misentinel.events.models import EventRow
from misentinel.events.tests.test_ingest import send, track
from misentinel.people import queries as people

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def come_in(store, *items):
    """Stores the events; returns their ids in order."""
    before = {*EventRow.objects.using(store.alias).values_list("id", flat=True)}
    send(store, *items)
    return sorted({*EventRow.objects.using(store.alias).values_list("id", flat=True)} - before)


def test_a_timeline_is_one_persons_and_pages_miss_and_repeat_nothing_at_equal_times(acme):
    moments = [NOON, NOON, NOON, NOON - timedelta(hours=1), NOON + timedelta(hours=1)]
    come_in(acme, *(track("asha", f"a-{n}", timestamp=at.isoformat()) for n, at in enumerate(moments)))
    come_in(acme, track("ben", "b-1", timestamp=NOON.isoformat()))
    asha = people.find_by_user_id(acme, "asha")
    whole = queries.timeline(acme, asha)
    assert [event.at for event in whole] == sorted(moments, reverse=True)
    assert {event.person_id for event in whole} == {asha}
    walked, after = [], None
    while page := queries.timeline(acme, asha, after=after, limit=2):
        walked += page
        after = page[-1]
        assert len(walked) <= len(whole)
    assert walked == whole


def test_an_event_is_found_under_its_own_person_alone(acme):
    (mine,) = come_in(acme, track("asha", "a-1"))
    (other,) = come_in(acme, track("asha", "a-2"))
    come_in(acme, track("ben", "b-1"))
    asha, ben = people.find_by_user_id(acme, "asha"), people.find_by_user_id(acme, "ben")
    assert queries.find_event(acme, asha, mine).id == mine
    assert queries.find_event(acme, asha, other).id == other
    assert queries.find_event(acme, ben, mine) is None
    assert [queries.count_events(acme, person_id=person) for person in (asha, ben, None)] == [2, 1, 3]


def test_a_batch_is_what_lies_between_two_ids_with_the_names_that_were_asked_for(acme, bolt):
    ids = come_in(
        acme, *(track("asha", f"m-{n}", name=name) for n, name in enumerate(["Seen", "Bought", "Seen", "Left"]))
    )
    come_in(bolt, track("mallory", "m-0", name="Seen"))
    assert [event.id for event in queries.list_between(acme, ids[1], ids[2])] == ids[1:3]
    assert [event.id for event in queries.list_between(acme, ids[0], ids[3], names=["Seen"])] == [ids[0], ids[2]]
    assert [*queries.open_events(acme, [ids[3]])] == [ids[3]]
    assert queries.count_events(acme) == 4
