"""A person's key is minted once, destroyed once, and the vault never forgets that it was destroyed."""

import threading
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from misentinel.kernel.errors import Erased, NotFound, Tampered
from misentinel.vault.actions import create_customer_key, mint_person_keys, shred_customer, shred_people, shred_person
from misentinel.vault.contracts import CACHE_SECONDS, Place
from misentinel.vault.models import PersonKey
from misentinel.vault.queries import drop_held_keys, held, person_keys

PLACE = Place("people_person", "sealed", uuid4())
SECRET = b'{"name":"Rosa"}'


@pytest.fixture
def acme():
    return new_customer()


@pytest.fixture
def bolt():
    return new_customer()


def new_customer():
    customer_id = uuid4()
    create_customer_key(customer_id)
    return customer_id


def mint(customer_id, person_id):
    return mint_person_keys(customer_id, [person_id])[person_id]


def run(statement, values=()):
    with transaction.atomic(using="vault"), connections["vault"].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def in_threads(*tasks):
    """Runs the tasks at the same moment, each on a connection of its own, and returns what each gave or raised."""
    start, outcomes = threading.Barrier(len(tasks)), [None] * len(tasks)

    def attempt(at, task):
        try:
            start.wait(timeout=10)
            outcomes[at] = task()
        except Exception as error:  # noqa: BLE001  the outcome is what is examined
            outcomes[at] = error
        finally:
            connections["vault"].close()

    threads = [threading.Thread(target=attempt, args=pair) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    return outcomes


def test_a_minted_key_is_the_same_for_every_reader(acme):
    rosa = uuid4()
    sealed = mint(acme, rosa).seal(PLACE, SECRET)
    drop_held_keys()
    assert mint(acme, rosa).open(PLACE, sealed) == SECRET
    drop_held_keys()
    assert person_keys(acme, [rosa])[rosa].open(PLACE, sealed) == SECRET


def test_who_has_no_key_is_absent_and_gets_none_by_being_asked_for(acme):
    rosa = uuid4()
    assert person_keys(acme, [rosa]) == {}
    assert person_keys(acme, []) == {}
    assert run("SELECT count(*) FROM vault_personkey WHERE person_id = %s", [rosa]) == [(0,)]


def test_every_person_has_a_key_of_their_own_also_under_two_customers(acme, bolt):
    rosa, tom = uuid4(), uuid4()
    keys = [mint(acme, rosa), mint(acme, tom), mint(bolt, rosa)]
    assert len({key._cipher._commitment for key in keys}) == 3


def test_the_key_does_not_lie_in_the_vault_in_clear(acme):
    rosa = uuid4()
    mint(acme, rosa)
    ((wrapped,),) = run("SELECT wrapped FROM vault_personkey WHERE person_id = %s", [rosa])
    assert len(wrapped) == 32 + 61


def test_five_hundred_people_cost_one_query_to_read_and_one_insert_to_mint(acme):
    people = [uuid4() for _ in range(500)]
    with CaptureQueriesContext(connections["vault"]) as minting:
        minted = mint_person_keys(acme, people + people)
    assert len(minted) == 500
    assert sum("INSERT" in query["sql"] for query in minting) == 1
    assert len(minting) <= 4  # begin, lock the customer's key, insert, commit
    with CaptureQueriesContext(connections["vault"]) as held_already:
        assert person_keys(acme, people).keys() == minted.keys()
    assert len(held_already) == 0
    held.people.drop(lambda _: True)
    with CaptureQueriesContext(connections["vault"]) as reading:
        assert person_keys(acme, people).keys() == minted.keys()
    assert len(reading) == 1


def test_minting_takes_who_is_there_and_makes_who_is_not(acme):
    rosa, tom = uuid4(), uuid4()
    sealed = mint(acme, rosa).seal(PLACE, SECRET)
    drop_held_keys()
    both = mint_person_keys(acme, [tom, rosa])
    assert both.keys() == {rosa, tom}
    assert both[rosa].open(PLACE, sealed) == SECRET


def test_a_destroyed_key_is_gone_at_once_and_for_good(acme):
    rosa, tom = uuid4(), uuid4()
    mint_person_keys(acme, [rosa, tom])
    stone = shred_person(acme, rosa)
    assert stone.person_id == rosa
    assert CACHE_SECONDS <= (stone.gone_everywhere_at - stone.destroyed_at).total_seconds() < CACHE_SECONDS + 5
    assert person_keys(acme, [rosa, tom]).keys() == {tom}
    for _ in range(2):
        with pytest.raises(Erased) as caught:
            mint_person_keys(acme, [tom, rosa])
        assert caught.value.details["person_ids"] == [rosa]
        drop_held_keys()
    assert shred_person(acme, rosa).destroyed_at == stone.destroyed_at


def test_who_never_had_a_key_can_be_erased_too(acme):
    rosa = uuid4()
    shred_person(acme, rosa)
    with pytest.raises(Erased):
        mint(acme, rosa)


def test_erasing_under_one_customer_leaves_the_other_alone(acme, bolt):
    rosa = uuid4()
    mint(acme, rosa)
    sealed = mint(bolt, rosa).seal(PLACE, SECRET)
    shred_person(acme, rosa)
    assert person_keys(bolt, [rosa])[rosa].open(PLACE, sealed) == SECRET


def test_many_are_erased_in_one_transaction(acme):
    people = [uuid4() for _ in range(50)]
    mint_person_keys(acme, people[:40])
    assert shred_people(acme, people).keys() == set(people)
    assert person_keys(acme, people) == {}
    assert shred_people(acme, []) == {}


def test_neither_minting_nor_erasing_can_be_rolled_back_by_who_called(acme):
    for attempt in (lambda: mint(acme, uuid4()), lambda: shred_person(acme, uuid4()), lambda: shred_customer(acme)):
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic(using="vault"):
            attempt()


def test_a_minter_that_waited_for_a_shredder_gets_nothing(acme):
    """The shredder's row is there and not committed: the minter must wait for it, and then see a tombstone."""
    rosa = uuid4()
    outcome = {}

    def minting():
        outcome["mint"] = in_threads(lambda: mint(acme, rosa))[0]

    waiting = threading.Thread(target=minting)
    with transaction.atomic(using="vault"):
        run(
            "INSERT INTO vault_personkey (customer_id, person_id, key_version, created_at, destroyed_at)"
            " VALUES (%s, %s, 0, now(), now())",
            [acme, rosa],
        )
        waiting.start()
        waiting.join(timeout=0.3)
        assert not outcome
    waiting.join(timeout=10)
    assert isinstance(outcome["mint"], Erased)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE vault_personkey SET wrapped = '\\x00', destroyed_at = NULL WHERE person_id = %s",
        "UPDATE vault_personkey SET person_id = gen_random_uuid() WHERE person_id = %s",
        "UPDATE vault_personkey SET destroyed_at = now() WHERE person_id = %s",
        "DELETE FROM vault_personkey WHERE person_id = %s",
    ],
)
def test_the_database_itself_refuses_to_raise_the_dead(acme, statement):
    rosa = uuid4()
    shred_person(acme, rosa)
    with pytest.raises(IntegrityError, match="stays destroyed"):
        run(statement, [rosa])
    assert PersonKey.objects.using("vault").get(person_id=rosa).wrapped is None


@pytest.mark.parametrize("columns", ["wrapped = NULL", "destroyed_at = now()"])
def test_the_database_refuses_a_row_that_is_neither_key_nor_tombstone(acme, columns):
    rosa = uuid4()
    mint(acme, rosa)
    with pytest.raises(IntegrityError, match="key_or_tombstone"):
        run("UPDATE vault_personkey SET " + columns + " WHERE person_id = %s", [rosa])


def test_a_wrapped_key_put_in_another_row_does_not_open(acme, bolt):
    rosa, tom = uuid4(), uuid4()
    mint_person_keys(acme, [rosa, tom])
    mint(bolt, rosa)
    swap = (
        "UPDATE vault_personkey SET wrapped ="
        " (SELECT wrapped FROM vault_personkey WHERE customer_id = %s AND person_id = %s)"
        " WHERE customer_id = %s AND person_id = %s"
    )
    for values in ([acme, rosa, acme, tom], [acme, rosa, bolt, rosa]):
        run(swap, values)
        drop_held_keys()
        with pytest.raises(Tampered):
            person_keys(values[2], [values[3]])


def test_a_customer_without_keys_can_mint_none():
    with pytest.raises(NotFound):
        mint(uuid4(), uuid4())


def test_an_erased_customer_can_mint_none(acme):
    rosa = uuid4()
    mint(acme, rosa)
    shred_customer(acme)
    assert person_keys(acme, [rosa]) == {}
    for person_id in (rosa, uuid4()):
        with pytest.raises(Erased):
            mint(acme, person_id)


def test_two_minters_and_a_shredder_at_once_always_end_with_a_tombstone(acme):
    for _ in range(60):
        rosa = uuid4()
        one, other, stone = in_threads(
            lambda rosa=rosa: mint(acme, rosa),
            lambda rosa=rosa: mint(acme, rosa),
            lambda rosa=rosa: shred_person(acme, rosa),
        )
        assert stone.person_id == rosa
        for outcome in (one, other):
            assert isinstance(outcome, Erased) or outcome.person_id == rosa, outcome
        got = [outcome for outcome in (one, other) if not isinstance(outcome, Erased)]
        assert len({key._cipher._commitment for key in got}) <= 1  # never two keys for one person
        # Also from memory: a minter that had read the key just before may not have put it there.
        assert person_keys(acme, [rosa]) == {}
        with pytest.raises(Erased):
            mint(acme, rosa)


def test_batches_that_overlap_in_any_order_agree_and_never_deadlock(acme):
    for _ in range(10):
        people = [uuid4() for _ in range(200)]
        outcomes = in_threads(
            lambda people=people: mint_person_keys(acme, people),
            lambda people=people: mint_person_keys(acme, people[::-1]),
            lambda people=people: shred_people(acme, people[150:][::-1]),
            lambda people=people: mint_person_keys(acme, people[:150]),
        )
        for outcome in outcomes:
            assert isinstance(outcome, dict | Erased), outcome
        assert person_keys(acme, people).keys() == set(people[:150])
        last = outcomes[3]
        sealed = {person_id: key.seal(PLACE, SECRET) for person_id, key in last.items()}
        drop_held_keys()
        for person_id, key in person_keys(acme, people).items():
            assert key.open(PLACE, sealed[person_id]) == SECRET


def test_a_key_destroyed_by_another_process_lives_on_here_for_thirty_seconds_and_no_longer(acme, monkeypatch):
    rosa = uuid4()
    mint(acme, rosa)
    run("UPDATE vault_personkey SET wrapped = NULL, destroyed_at = now() WHERE person_id = %s", [rosa])
    assert person_keys(acme, [rosa])  # honest: see CACHE_SECONDS
    clock = held.people._clock
    monkeypatch.setattr(held.people, "_clock", lambda: clock() + CACHE_SECONDS)
    assert person_keys(acme, [rosa]) == {}
