from __future__ import annotations

import uuid

import psycopg
import pytest
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from misentinel.customers.actions import create_customer
from misentinel.kernel.actor import system
from misentinel.kernel.errors import Conflict, Unavailable
from misentinel.store import migration, provisioning
from misentinel.store.clusters import get_cluster
from misentinel.store.contracts import Store
from misentinel.store.migration import migrate_fleet
from misentinel.store.models import OutboxRow, Placement
from misentinel.store.queries import forget_store, get_store


@pytest.fixture
def fleet():
    stores = []
    for n in range(3):
        customer = create_customer(system("test"), f"Fleet {n}", slug=f"fleet-{n}-{uuid.uuid4().hex[:8]}")
        stores.append(get_store(customer.id))
    yield stores
    for store in stores:
        provisioning.destroy(store.customer_id)


def _as_owner(store: Store, statement: str) -> None:
    database = Placement.objects.get(customer_id=store.customer_id).database
    dsn = make_conninfo(**{**conninfo_to_dict(get_cluster("main").dsn), "dbname": database})
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def _set_back(store: Store) -> None:
    """Takes a store back to before its first migration of the outbox."""
    _as_owner(store, "DROP TABLE store_outboxrow CASCADE")
    _as_owner(store, "DELETE FROM django_migrations WHERE app = 'store'")
    Placement.objects.filter(customer_id=store.customer_id).update(schema="old")
    forget_store(store.customer_id)


def test_a_fleet_is_brought_forward_and_a_second_run_finds_nothing_to_do(fleet: list[Store]) -> None:
    for store in fleet:
        _set_back(store)
    steps: list[tuple[int, int]] = []
    report = migrate_fleet(lambda done, of: steps.append((done, of)))
    assert set(report.done) >= {s.customer_id for s in fleet}
    assert steps[-1][0] == steps[-1][1]
    for store in fleet:
        assert OutboxRow.objects.using(get_store(store.customer_id).alias).count() == 0
    again = migrate_fleet()
    assert again.done == []
    assert again.current >= 3


def test_a_store_that_is_behind_refuses_to_open(fleet: list[Store]) -> None:
    _set_back(fleet[0])
    with pytest.raises(Unavailable, match="brought up to date"):
        get_store(fleet[0].customer_id)


def test_one_broken_store_is_named_refused_and_does_not_stop_the_rest(fleet: list[Store]) -> None:
    for store in fleet:
        _set_back(store)
    _as_owner(fleet[1], "CREATE TABLE store_outboxrow (in_the_way int)")
    report = migrate_fleet()
    assert fleet[1].customer_id in report.broken
    assert "already exists" in report.broken[fleet[1].customer_id]
    assert {fleet[0].customer_id, fleet[2].customer_id} <= set(report.done)
    with pytest.raises(Unavailable):
        get_store(fleet[1].customer_id)
    _as_owner(fleet[1], "DROP TABLE store_outboxrow")
    assert migrate_fleet().done == [fleet[1].customer_id]  # repaired, the next run resumes with it alone
    get_store(fleet[1].customer_id)


def test_a_broken_canary_stops_the_run_before_any_other_store(fleet: list[Store]) -> None:
    for store in fleet:
        _set_back(store)
    _as_owner(fleet[0], "CREATE TABLE store_outboxrow (in_the_way int)")
    with pytest.raises(Unavailable, match="canary"):
        migrate_fleet()
    untouched = Placement.objects.filter(customer_id__in=[s.customer_id for s in fleet[1:]])
    assert {p.schema for p in untouched} == {"old"}
    _as_owner(fleet[0], "DROP TABLE store_outboxrow")
    migrate_fleet()


def test_a_store_that_broke_as_the_canary_stops_the_fleet_once(fleet: list[Store]) -> None:
    for store in fleet:
        _set_back(store)
    _as_owner(fleet[0], "CREATE TABLE store_outboxrow (in_the_way int)")
    with pytest.raises(Unavailable, match="canary"):
        migrate_fleet()
    report = migrate_fleet()  # the next one in order is the canary now
    assert report.done[:2] == [store.customer_id for store in fleet[1:]]
    assert list(report.broken) == [fleet[0].customer_id]
    _as_owner(fleet[0], "DROP TABLE store_outboxrow")
    assert migrate_fleet().done == [fleet[0].customer_id]


def test_a_second_run_at_the_same_time_is_told_to_wait_and_touches_nothing(fleet: list[Store]) -> None:
    _set_back(fleet[0])
    parameters = connections["default"].get_connection_params()
    other = psycopg.connect(**{k: parameters[k] for k in ("host", "port", "dbname", "user", "password")})
    other.execute("SELECT pg_advisory_lock(%s)", [migration._FLEET_LOCK])
    with pytest.raises(Conflict, match="being migrated already"):
        migrate_fleet()
    assert Placement.objects.get(customer_id=fleet[0].customer_id).schema == "old"
    other.execute("SELECT pg_advisory_unlock(%s)", [migration._FLEET_LOCK])  # the server ends a session in its own time
    other.close()
    migrate_fleet()
