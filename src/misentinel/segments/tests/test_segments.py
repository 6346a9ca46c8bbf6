"""Segments answer from the database what the rule says, for people of every kind."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from misentinel.kernel import clock
from misentinel.kernel.actor import system
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.kernel.ids import new_id
from misentinel.people.rules import match_of
from misentinel.segments import actions, queries, rules
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from misentinel.vault import queries as vault

ACTOR = system("test")
AT = datetime(2026, 6, 15, 12, tzinfo=UTC)
PRO = {"attribute": "plan", "test": "is", "value": "pro"}


def put_person(store, traits, happened=()):
    """A person as ingest leaves them: what rules may see, and events that bear only name and moment."""
    person_id = new_id()
    match = match_of(traits, vault.tokens(store.customer_id))
    with store.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO people_person (id, sealed, match, search, identified, created_at, updated_at, last_seen_at)"
            " VALUES (%s, '', %s::jsonb, '{}', TRUE, now(), now(), now())",
            [person_id, json.dumps(match)],
        )
        for name, at in happened:
            put_event(cursor, person_id, name, at)
    return person_id, match


def put_event(cursor, person_id, name, at):
    event_id = new_id()
    cursor.execute(
        "INSERT INTO events_event (id, message_token, type, name, person_id, at, received_at, sealed, match)"
        " VALUES (%s, %s, 'track', %s, %s, %s, %s, '', '{}')",
        [event_id, event_id, name, person_id, at, at],
    )


NAMES = ("plan", "age", "vip", "signed_up", "tags", "email", "address.city")
EVENTS = ("Order", "Login", "Never")


def some_value(dice, name):
    moment = AT - timedelta(days=dice.uniform(-3, 40))
    return {
        "plan": lambda: dice.choice(["free", "pro", "Team"]),
        "age": lambda: dice.choice([17, 18, 30, 30.0, 31.5, True, "30"]),
        "vip": lambda: dice.choice([True, False, 1, "true"]),
        "signed_up": lambda: dice.choice([moment.isoformat(), moment.date().isoformat(), "soon", 20260615]),
        "tags": lambda: dice.sample(["a", "b", 3, True, "2026-06-10"], dice.randint(0, 3)),
        "email": lambda: dice.choice(["asha@example.com", "ben@example.com", "mallory@bolt.test", "none"]),
        "address.city": lambda: dice.choice(["Leeds", "York"]),
    }[name]()


def some_person(dice):
    traits = {name: some_value(dice, name) for name in NAMES if dice.random() < 0.7}
    if "address.city" in traits:
        traits["address"] = {"city": traits.pop("address.city")}
    happened = [(dice.choice(EVENTS[:2]), AT - timedelta(days=dice.uniform(0, 20))) for _ in range(dice.randint(0, 4))]
    return traits, happened


def some_rule(dice, depth=3):
    kind = dice.random()
    if depth and kind < 0.4:
        return {dice.choice(["all", "any"]): [some_rule(dice, depth - 1) for _ in range(dice.randint(1, 3))]}
    if depth and kind < 0.5:
        return {"not": some_rule(dice, depth - 1)}
    if kind < 0.7:
        rule = {"event": dice.choice(EVENTS)}
        least, most = dice.choice([(None, None), (2, None), (1, 2), (None, 0), (None, 1), (0, 2)])
        rule |= {"at_least": least} if least is not None else {}
        rule |= {"at_most": most} if most is not None else {}
        return rule | ({"within_days": dice.choice([1, 7, 30])} if dice.random() < 0.5 else {})
    name, test = dice.choice((*NAMES, "unheard_of", "email_domain")), dice.choice(list(rules.Asks))
    known = name if name in NAMES else "email"

    def one():
        value = some_value(dice, known)
        return value if not isinstance(value, list) else dice.choice(["a", 3, True])

    value = {
        "is": one, "is_not": one, "in": lambda: [one(), one()], "greater": lambda: 18, "less": lambda: 31,
        "between": lambda: [18, 30], "set": lambda: None, "unset": lambda: None,
        "before": lambda: dice.choice(["2026-06-10", "2026-06-10T12:00:00Z"]),
        "after": lambda: dice.choice(["2026-06-10", "2026-06-10T12:00:00+02:00"]),
        "in_last_days": lambda: dice.choice([1, 14]),
    }[test]()  # fmt: skip
    return {"attribute": name, "test": test.value, **({} if value is None else {"value": value})}


def test_the_database_selects_whom_the_rule_means(acme):
    dice = random.Random(20260615)
    everyone = {}
    for _ in range(120):
        traits, happened = some_person(dice)
        person_id, match = put_person(acme, traits, happened)
        moments = {}
        for name, at in happened:
            moments.setdefault(name, []).append(at)
        everyone[person_id] = (match, moments)
    tokens = vault.tokens(acme.customer_id)

    def shape(name, value):
        if name in ("email", "email_domain") and isinstance(value, str):
            return tokens.email(value) if name == "email" else tokens.domain(value)
        return match_of({name: value}, tokens).get(name)

    chosen_at_all = 0
    with clock.held(AT):
        for _ in range(400):
            document = some_rule(dice)
            rule = rules.resolve(rules.parse(document), shape)
            expected = {who for who, (match, moments) in everyone.items() if rules.holds(rule, match, moments, AT)}
            assert set(queries.sample(acme, document, 1000)) == expected, document
            chosen_at_all += 0 < len(expected) < len(everyone)
    assert chosen_at_all > 150, "the rules tried say little"


def test_everyone_is_there_from_the_beginning_and_stays(acme):
    (everyone,) = queries.list_segments(acme)
    assert (everyone.name, everyone.builtin) == ("Everyone", True)
    first, _ = put_person(acme, {})
    merged, _ = put_person(acme, {})
    with acme.connection.cursor() as cursor:
        cursor.execute("UPDATE people_person SET merged_into = %s WHERE id = %s", [first, merged])
    assert queries.count(acme, everyone.rule) == 1
    with pytest.raises(Conflict):
        actions.delete_segment(acme, ACTOR, everyone.id)
    with pytest.raises(Conflict):
        actions.create_segment(acme, ACTOR, "everyone", PRO)


def test_a_segment_is_made_changed_and_deleted_on_the_trail(acme):
    segment = actions.create_segment(acme, ACTOR, "  Paying   people ", PRO)
    assert segment.name == "Paying people" and segment.rule == PRO
    with pytest.raises(Conflict):
        actions.create_segment(acme, ACTOR, "paying PEOPLE", PRO)
    with pytest.raises(Invalid):
        actions.edit_segment(acme, ACTOR, segment.id, name="x", rule={"any": []})
    changed = actions.edit_segment(acme, ACTOR, segment.id, name="All", rule={"not": PRO})
    assert queries.get_segment(acme, segment.id) == changed
    actions.delete_segment(acme, ACTOR, segment.id)
    with pytest.raises(NotFound):
        queries.get_segment(acme, segment.id)
    tags = [entry.tag for entry in list_entries(acme, EntryFilter(object_id=str(segment.id))).entries]
    assert tags == ["segment:delete", "segment:edit", "segment:create"]


def test_a_segment_is_the_one_that_was_named_and_names_are_there_once(acme):
    free = {"attribute": "plan", "test": "is", "value": "free"}
    pro = actions.create_segment(acme, ACTOR, "Paying", PRO)
    other = actions.create_segment(acme, ACTOR, "Trying", free)
    assert queries.get_segment(acme, pro.id) == pro and queries.get_segment(acme, other.id) == other
    for taken in ("paYING", " Everyone "):
        with pytest.raises(Conflict, match="already"):
            actions.edit_segment(acme, ACTOR, other.id, name=taken, rule=free)
    assert actions.edit_segment(acme, ACTOR, other.id, name="Trying it", rule=free).id == other.id
    actions.delete_segment(acme, ACTOR, other.id)
    assert [segment.id for segment in queries.list_segments(acme)] == [queries.EVERYONE_ID, pro.id]
    with pytest.raises(NotFound):
        queries.get_segment(acme, other.id)


def test_an_address_in_a_rule_rests_sealed(acme):
    rule = {"attribute": "email", "test": "is", "value": "asha@example.com"}
    segment = actions.create_segment(acme, ACTOR, "One", rule)
    with acme.connection.cursor() as cursor:
        cursor.execute("SELECT s::text FROM segments_segment s")
        (row,) = cursor.fetchone()
    assert b"asha".hex() not in row and "asha" not in row
    put_person(acme, {"email": "ASHA@example.com"})
    put_person(acme, {"email": "ben@example.com"})
    assert queries.count(acme, segment.rule) == 1


def test_what_is_said_about_a_neighbours_people_selects_nobody(acme, bolt):
    put_person(acme, {"plan": "pro"})
    assert (queries.count(acme, PRO), queries.count(bolt, PRO)) == (1, 0)


@pytest.mark.parametrize("name", ["'; DROP TABLE people_person; --", "a%sb", "a%(x)s", '"]}', "$.x ? (true)"])
def test_a_hostile_name_is_only_a_name(acme, name):
    put_person(acme, {"plan": "pro"})
    for test, value in (("is", name), ("greater", 3), ("set", None), ("before", "2026-01-01")):
        rule = {"attribute": name, "test": test} | ({} if value is None else {"value": value})
        assert queries.count(acme, rule) == 0
    assert queries.count(acme, {"event": name}) == 0
    assert queries.count(acme, {"all": []}) == 1
