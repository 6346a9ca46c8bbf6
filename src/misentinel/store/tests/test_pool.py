from __future__ import annotations

import uuid
from dataclasses import replace
from importlib import import_module

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from misentinel.store.clusters import get_cluster
from misentinel.store.contracts import Store
from misentinel.store.postgres.pool import POOL, Pool
from misentinel.store.queries import owner_alias
from tests.outage import end_sessions


def _backend(store: Store) -> int:
    with store.connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
    return pid


def test_a_connection_that_was_given_back_is_used_again_for_the_same_store_only(acme: Store, bolt: Store) -> None:
    first = _backend(acme)
    connections[acme.alias].close()
    assert _backend(bolt) != first
    assert _backend(acme) == first


def test_an_open_transaction_is_never_handed_on(acme: Store) -> None:
    first = _backend(acme)
    raw = connections[acme.alias].connection
    raw.autocommit = False
    raw.execute("SELECT 1")
    connections[acme.alias].close()
    assert raw.closed
    assert _backend(acme) != first


def test_the_number_of_connections_is_bounded(acme: Store, bolt: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (acme, bolt):
        connections[store.alias].close()
        POOL.forget(store.alias)
    _, in_use = POOL.size()
    monkeypatch.setattr(POOL, "limit", in_use + 1)
    old = _backend(acme)
    connections[acme.alias].close()
    _backend(bolt)
    connections[bolt.alias].close()
    assert POOL.size()[0] <= 1
    assert _backend(acme) != old  # the least recently used was closed


def test_a_broken_connection_is_not_handed_out(acme: Store) -> None:
    first = _backend(acme)
    raw = connections[acme.alias].connection
    connections[acme.alias].close()
    raw.close()
    assert _backend(acme) != first


def test_a_connection_that_the_server_ended_is_not_handed_out(acme: Store) -> None:
    first = _backend(acme)
    raw = connections[acme.alias].connection
    connections[acme.alias].close()
    end_sessions(acme)
    assert not raw.closed  # nobody has told psycopg
    assert _backend(acme) != first


def test_the_control_planes_connection_is_opened_anew_once_the_server_has_ended_it() -> None:
    control = connections["default"]
    with control.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (first,) = cursor.fetchone()
    control.health_check_enabled, control.health_check_done = True, False
    control.close_if_health_check_failed()
    assert control.connection is not None  # a living one stays
    with psycopg.connect(get_cluster("main").dsn, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    assert not control.connection.closed  # nobody has told psycopg
    control.health_check_done = False
    control.close_if_health_check_failed()
    with control.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != first


def test_a_store_may_be_opened_while_another_request_looks_through_all_connections() -> None:
    walking = iter(connections)  # as Django does at the end of every request
    next(walking)
    owner_alias("main", f"nowhere_{uuid.uuid4().hex}")
    assert list(walking)


def test_the_setting_bounds_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "limit", POOL.limit)
    monkeypatch.setattr(settings, "MISENTINEL", replace(settings.MISENTINEL, store_connections=7))
    import_module("misentinel.site.wiring").connect()
    assert POOL.limit == 7


def test_an_empty_pool_has_nothing_to_lend() -> None:
    assert Pool(limit=1).borrow("store:none") is None
