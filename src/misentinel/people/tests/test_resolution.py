"""Who is meant by which identifiers, as a table of cases and as laws that hold for any order of items."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from misentinel.people.rules import Kind, Known, Wanted, resolve

SEEN = datetime(2026, 1, 1, tzinfo=UTC)


def number(n: int) -> UUID:
    return UUID(int=n)


def token(n: int) -> bytes:
    return n.to_bytes(16, "big")


ASHA, BEN, PHONE, LAPTOP = token(1), token(2), token(3), token(4)
FIRST, SECOND = number(101), number(102)  # people in the store


def plan(*wanted: Wanted, known: dict | None = None):
    ids = (number(n) for n in count(1001))
    return resolve(wanted, known or {}, lambda: next(ids))


def is_known(person: UUID, *, identified: bool) -> Known:
    return Known(person, identified, SEEN)


def test_somebody_unknown_is_made_once_with_all_their_identifiers():
    done = plan(Wanted(user=ASHA, anonymous=PHONE), Wanted(anonymous=PHONE), Wanted(user=ASHA))
    (person,) = done.created
    assert done.ids == [person] * 3
    assert done.identities == {ASHA: (Kind.USER_ID, person), PHONE: (Kind.ANONYMOUS_ID, person)}


def test_an_anonymous_person_becomes_the_user_they_say_they_are():
    done = plan(Wanted(user=ASHA, anonymous=PHONE), known={PHONE: is_known(FIRST, identified=False)})
    assert (done.ids, done.created, done.merges) == ([FIRST], {}, {})
    assert done.identities == {ASHA: (Kind.USER_ID, FIRST)}
    assert done.identified == {FIRST}


def test_an_anonymous_person_is_absorbed_by_a_user_who_is_known():
    known = {ASHA: is_known(FIRST, identified=True), PHONE: is_known(SECOND, identified=False)}
    done = plan(Wanted(anonymous=PHONE), Wanted(user=ASHA, anonymous=PHONE), known=known)
    assert (done.ids, done.merges, done.identities) == ([FIRST, FIRST], {SECOND: FIRST}, {})


def test_a_device_that_two_users_share_stays_with_the_first():
    known = {ASHA: is_known(FIRST, identified=True), PHONE: is_known(FIRST, identified=True)}
    done = plan(Wanted(user=BEN, anonymous=PHONE), Wanted(anonymous=PHONE), known=known)
    (ben,) = done.created
    assert (done.ids, done.merges) == ([ben, FIRST], {})
    assert done.identities == {BEN: (Kind.USER_ID, ben)}


def test_an_alias_joins_what_was_known_under_the_previous_id():
    known = {PHONE: is_known(FIRST, identified=False), ASHA: is_known(SECOND, identified=True)}
    assert plan(Wanted(user=ASHA, previous_user=LAPTOP, previous_anonymous=PHONE), known=known).merges == {
        FIRST: SECOND
    }
    assert plan(Wanted(user=BEN, previous_user=LAPTOP, previous_anonymous=PHONE), known=known).ids == [FIRST]


def test_an_alias_of_somebody_unknown_is_remembered():
    done = plan(Wanted(user=ASHA, previous_user=LAPTOP, previous_anonymous=PHONE), Wanted(anonymous=PHONE))
    assert len(set(done.ids)) == 1
    assert done.identities[PHONE] == (Kind.ANONYMOUS_ID, done.ids[0])


def test_two_new_people_of_one_batch_who_are_one_are_made_once():
    done = plan(Wanted(anonymous=PHONE), Wanted(user=ASHA), Wanted(user=ASHA, anonymous=PHONE))
    assert len(done.created) == 1
    assert set(done.ids) == set(done.created)
    assert done.merges == {}
    assert {owner for _, owner in done.identities.values()} == set(done.created)


users = st.none() | st.integers(1, 4).map(token)
devices = st.none() | st.integers(11, 14).map(token)


@given(
    st.lists(st.tuples(users, devices).filter(any), max_size=12),
    st.dictionaries(
        st.integers(11, 14).map(token) | st.integers(1, 4).map(token), st.integers(101, 104).map(number), max_size=6
    ),
)
def test_every_reference_has_one_living_person_and_no_identifier_has_two(items, stored):
    identified = {person for each, person in stored.items() if each < token(10)}
    known = {each: is_known(person, identified=person in identified) for each, person in stored.items()}
    done = plan(*(Wanted(user=user, anonymous=device) for user, device in items), known=known)
    assert len(done.ids) == len(items)
    assert not set(done.ids) & set(done.merges)
    assert not set(done.merges.values()) & set(done.merges)
    assert not set(done.identities) & set(known)
    assert set(done.ids) <= set(done.created) | set(stored.values())
    assert not set(done.merges) & identified, "an identified person is never absorbed without an alias"
    by_user = {}
    for (user, _), person in zip(items, done.ids, strict=True):
        if user is not None:
            assert by_user.setdefault(user, person) == person
