"""People come in by their identifiers, are one person each, and are readable only with their key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connections

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Invalid, NotFound
from misentinel.people import actions, queries
from misentinel.people.contracts import PersonRef
from misentinel.people.models import IdentityRow, PersonRow
from misentinel.people.rules import as_date, match_of
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.vault import actions as vault_actions
from misentinel.vault import queries as vault

ACTOR = system("test")


def recognise(store, *refs):
    def work(exclusive):
        with store.atomic():
            return actions.recognise(store, ACTOR, refs, exclusive=exclusive)

    return actions.until_settled(work)


def only(store, *refs):
    return recognise(store, *refs).ids[0]


def test_a_person_is_made_once_and_opened_again(acme):
    asha = PersonRef(user_id="asha", anonymous_id="a-1", traits={"email": "asha@example.com", "name": "Asha Rao"})
    person_id = only(acme, asha)
    assert only(acme, PersonRef(anonymous_id="a-1")) == person_id
    person = queries.get_person(acme, person_id)
    assert (person.user_id, person.anonymous_ids) == ("asha", ("a-1",))
    assert (person.email, person.name) == ("asha@example.com", "Asha Rao")


def test_nothing_readable_of_a_person_is_in_their_row(acme):
    only(acme, PersonRef("asha", "a-1", traits={"email": "asha@example.com", "city": "Leeds", "age": 31, "vip": True}))
    with acme.connection.cursor() as cursor:
        cursor.execute("SELECT p::text, i::text FROM people_person p, people_identity i")
        rows = cursor.fetchall()
    for row in rows:
        for readable in ("asha", "example.com", "Leeds", "a-1"):
            assert readable not in "".join(row)
            assert readable.encode().hex() not in "".join(row)
    match = PersonRow.objects.using(acme.alias).get().match
    assert match["age"] == 31 and match["vip"] is True
    assert match["city"] == vault.tokens(acme.customer_id).value("city", "Leeds")


def test_traits_grow_and_a_null_takes_one_away(acme):
    person_id = only(acme, PersonRef("asha", traits={"plan": "free", "city": "Leeds"}))
    recognised = recognise(acme, PersonRef("asha", traits={"plan": "pro", "city": None}))
    assert recognised.changed == (person_id,)
    assert queries.get_person(acme, person_id).traits == {"plan": "pro"}
    assert recognise(acme, PersonRef("asha", traits={"plan": "pro"})).changed == ()


def test_an_absorbed_person_s_traits_ids_and_identity_live_on_and_their_key_goes(acme):
    anonymous = only(acme, PersonRef(anonymous_id="a-1", traits={"city": "Leeds", "plan": "none"}))
    asha = only(acme, PersonRef("asha", traits={"plan": "pro"}))
    recognised = recognise(acme, PersonRef("asha", "a-1"))
    assert recognised.merged == {anonymous: asha}
    person = queries.get_person(acme, asha)
    assert person.traits == {"city": "Leeds", "plan": "pro"}
    assert person.anonymous_ids == ("a-1",)
    assert only(acme, PersonRef(anonymous_id="a-1")) == asha
    assert queries.get_person(acme, anonymous).id == asha
    assert [p.id for p in queries.list_people(acme).people] == [asha]
    actions.destroy_absorbed_keys(acme, {"merged": {str(anonymous): str(asha)}})
    assert vault.person_keys(acme.customer_id, [anonymous, asha]).keys() == {asha}
    entries = list_entries(acme, EntryFilter(tag=Tag.PERSON_MERGE)).entries
    assert [(e.object_id, e.person_id) for e in entries] == [(str(anonymous), asha)]


def test_somebody_erased_is_nobody_again(acme):
    asha = only(acme, PersonRef("asha"))
    vault_actions.shred_person(acme.customer_id, asha)
    assert recognise(acme, PersonRef("asha"), PersonRef("ben")).ids[0] is None
    with pytest.raises(NotFound):
        queries.get_person(acme, asha)


def test_people_are_found_by_how_a_name_an_address_or_an_id_begins(acme, bolt):
    asha = only(acme, PersonRef("user-17", traits={"email": "asha.rao@example.com", "name": "Asha Rao"}))
    only(acme, PersonRef("user-18", traits={"name": "Ben Okri"}))
    only(bolt, PersonRef("user-17", traits={"name": "Asha Rao"}))

    def found(text):
        return [person.id for person in queries.list_people(acme, search=text).people]

    assert found("ash") == found("RAO") == found("asha.rao@ex") == found("user 17") == found("rao ash") == [asha]
    assert found("sha") == found("asha ben") == found("!") == []
    assert queries.count_people(acme, search="user") == 2
    assert queries.find_by_email(acme, "ASHA.rao@example.com") == [asha]
    assert queries.find_by_user_id(acme, "user-17") == asha


def test_pages_follow_one_another_without_gap_or_repeat(acme):
    recognise(acme, *(PersonRef(f"user-{n}") for n in range(7)))
    seen, after = [], None
    for _ in range(4):
        page = queries.list_people(acme, after=after, limit=3)
        seen += [person.user_id for person in page.people]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == [f"user-{n}" for n in range(7)] and len(set(seen)) == 7


def test_one_customer_s_person_is_nobody_at_another(acme, bolt):
    asha = only(acme, PersonRef("asha"))
    with pytest.raises(NotFound):
        queries.get_person(bolt, asha)
    with pytest.raises(NotFound):
        queries.get_person(acme, uuid4())


def test_an_attribute_declared_not_personal_is_kept_in_clear(acme):
    actions.declare_attribute(acme, ACTOR, "plan", personal=False)
    only(acme, PersonRef("asha", traits={"plan": "pro", "city": "Leeds"}))
    match = PersonRow.objects.using(acme.alias).get().match
    assert match["plan"] == "pro" and match["city"] != "Leeds"
    assert [(a.name, a.personal) for a in queries.list_attributes(acme)] == [("plan", False)]
    with pytest.raises(Invalid):
        actions.declare_attribute(acme, ACTOR, "email", personal=False)


def test_the_shape_that_rules_see_is_flat_typed_and_tokenised(acme):
    tokens = vault.tokens(acme.customer_id)
    shape = match_of(
        {
            "email": "Asha@Example.com", "born": "1990-02-03", "seen": "2026-01-02T03:04:05+01:00", "n": 1.5,
            "ok": False, "none": None, "empty": "", "long": "x" * 2000, "company": {"name": "Acme", "size": 7},
            "tags": ["a", 2, None],
        },
        tokens,
    )  # fmt: skip
    assert shape == {
        "email": tokens.email("asha@example.com"),
        "email_domain": tokens.domain("example.com"),
        "born": "1990-02-03",
        "seen": "2026-01-02T02:04:05+00:00",
        "n": 1.5,
        "ok": False,
        "company.name": tokens.value("company.name", "Acme"),
        "company.size": 7,
        "tags": [tokens.value("tags", "a"), 2],
    }
    assert as_date("2026-13-01") is None and as_date("2026-01-01 and more") is None


def test_batches_that_bring_the_same_new_people_at_once_agree_on_them(acme):
    def bring(order):
        try:
            refs = [PersonRef(f"user-{n}", f"a-{n}", traits={"n": n}) for n in order]
            return dict(zip(order, recognise(acme, *refs).ids, strict=True))
        finally:
            connections.close_all()

    orders = [list(range(20)), list(range(20))[::-1], list(range(10, 30)), list(range(25))]
    with ThreadPoolExecutor(4) as threads:
        ids = [running.result(timeout=30) for running in [threads.submit(bring, order) for order in orders]]
    for n in range(30):
        assert len({each[n] for each in ids if n in each}) == 1
    assert PersonRow.objects.using(acme.alias).count() == 30
    assert IdentityRow.objects.using(acme.alias).count() == 60


def test_last_seen_follows_within_five_minutes(acme):
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    asha = only(acme, PersonRef("asha", seen_at=early))
    assert queries.get_person(acme, asha).last_seen_at == early
    recognise(acme, PersonRef("asha", seen_at=late), PersonRef("asha", seen_at=early))
    assert queries.get_person(acme, asha).last_seen_at == late


def test_a_person_is_found_by_their_own_id_or_by_one_that_was_merged_into_theirs(acme):
    anonymous, ben = only(acme, PersonRef(anonymous_id="a-1")), only(acme, PersonRef(user_id="ben"))
    asha = only(acme, PersonRef(user_id="asha"))
    recognise(acme, PersonRef(user_id="asha", anonymous_id="a-1"))
    found = [queries.get_person(acme, person_id).id for person_id in (anonymous, asha, ben)]
    assert found == [asha, asha, ben]
