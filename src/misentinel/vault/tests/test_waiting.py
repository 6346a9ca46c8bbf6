"""Who must wait for whom, shown by holding one side still in the middle of its transaction."""

import threading
from uuid import uuid4

import pytest
from django.db import connections, transaction

from misentinel.vault.actions import (
    create_customer_key,
    mint_person_keys,
    people,
    rotate_customer_key,
    shred_customer,
    shred_people,
)
from misentinel.vault.actions import rotation as rotation_module
from misentinel.vault.contracts import Place
from misentinel.vault.models import CustomerKey, PersonKey
from misentinel.vault.queries import drop_held_keys, person_keys

PLACE = Place("people_person", "sealed", "1")


@pytest.fixture
def acme():
    customer_id = uuid4()
    create_customer_key(customer_id)
    return customer_id


class Stopped:
    """Runs `task` in a thread that stops right after (or before) `people.<name>`, until it is let go."""

    def __init__(self, monkeypatch, name, task, *, before=False):
        real = getattr(people, name)
        self.reached, self.may_go = threading.Event(), threading.Event()

        def stopping(*args):
            if before:
                self._stop()
            answer = real(*args)
            if not before:
                self._stop()
            return answer

        monkeypatch.setattr(people, name, stopping)
        self.task = Task(task)

    def has_stopped(self):
        assert self.reached.wait(timeout=10)
        return self

    def _stop(self):
        self.reached.set()
        assert self.may_go.wait(timeout=10)

    def let_go(self):
        self.may_go.set()
        return self.task.outcome()


class Task:
    def __init__(self, task):
        self._thread = threading.Thread(target=self._run, args=(task,))
        self._thread.start()

    def _run(self, task):
        try:
            self._outcome = task()
        except Exception as error:  # noqa: BLE001  handed on by outcome()
            self._outcome = error
        finally:
            connections["vault"].close()

    def waits(self):
        self._thread.join(timeout=0.4)
        return self._thread.is_alive()

    def outcome(self):
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def test_a_rotation_waits_for_a_minter_and_takes_along_what_it_minted(acme, monkeypatch):
    rosa = uuid4()
    minter = Stopped(monkeypatch, "_wrapping_key", lambda: mint_person_keys(acme, [rosa])).has_stopped()
    rotation = Task(lambda: rotate_customer_key(acme))
    assert rotation.waits()
    sealed = minter.let_go()[rosa].seal(PLACE, b"document")
    assert rotation.outcome() == 2
    drop_held_keys()
    assert person_keys(acme, [rosa])[rosa].open(PLACE, sealed) == b"document"
    assert PersonKey.objects.using("vault").get(customer_id=acme, person_id=rosa).key_version == 2
    assert CustomerKey.objects.using("vault").get(customer_id=acme, version=1).wrapped is None


def test_a_minter_that_just_missed_the_new_version_is_waited_for_before_the_old_one_is_destroyed(acme, monkeypatch):
    """Its statement began before the new version was committed, so it mints under the old one."""
    rosa = uuid4()
    with transaction.atomic(using="vault"):
        rotation_module._begin(acme)
        minter = Stopped(monkeypatch, "_wrapping_key", lambda: mint_person_keys(acme, [rosa]))
        assert minter.task.waits()
    minter.has_stopped()
    retirement = Task(lambda: rotation_module._retire_older(acme, 2))
    assert retirement.waits()
    sealed = minter.let_go()[rosa].seal(PLACE, b"document")
    assert retirement.outcome() is False
    assert rotate_customer_key(acme) == 2
    drop_held_keys()
    assert person_keys(acme, [rosa])[rosa].open(PLACE, sealed) == b"document"
    assert CustomerKey.objects.using("vault").get(customer_id=acme, version=1).wrapped is None


def test_the_end_of_a_customer_waits_for_a_minter_and_takes_its_keys_too(acme, monkeypatch):
    rosa = uuid4()
    minter = Stopped(monkeypatch, "_wrapping_key", lambda: mint_person_keys(acme, [rosa])).has_stopped()
    end = Task(lambda: shred_customer(acme))
    assert end.waits()
    minter.let_go()
    end.outcome()
    assert PersonKey.objects.using("vault").get(customer_id=acme, person_id=rosa).wrapped is None
    assert person_keys(acme, [rosa]) == {}


@pytest.mark.parametrize("act", [shred_customer, rotate_customer_key])
def test_who_erases_people_is_waited_for_before_any_row_is_locked(acme, monkeypatch, act):
    ids = sorted(uuid4() for _ in range(3))
    mint_person_keys(acme, ids[::-1])
    eraser = Stopped(monkeypatch, "_bury", lambda: shred_people(acme, ids), before=True).has_stopped()
    other = Task(lambda: act(acme))
    assert other.waits()
    assert eraser.let_go().keys() == set(ids)
    other.outcome()
    assert person_keys(acme, ids) == {}
