"""Provisioning, and isolation at two levels: the ORM and the connection. HTTP is in tests/isolation."""

from __future__ import annotations

import secrets
import uuid
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connections, transaction
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from misentinel.customers.actions import close_customer, create_customer
from misentinel.kernel.actor import system
from misentinel.kernel.errors import Conflict, Invalid, Misconfigured, NotFound, StoreNotNamed, Unavailable
from misentinel.kernel.ids import new_id
from misentinel.store import clusters, provisioning
from misentinel.store.contracts import Cluster, Store, Topic
from misentinel.store.models import OutboxRow, Placement
from misentinel.store.queries import each_store, forget_store, get_store, list_placements, role_parameters

ASHA = system("test")


def _dsn_as(store: Store, database: str | None = None) -> str:
    placement = Placement.objects.get(customer_id=store.customer_id)
    return make_conninfo(**{**role_parameters(placement), **({"dbname": database} if database else {})})


def test_a_store_is_a_database_with_a_role_of_its_own(acme: Store) -> None:
    with store_cursor(acme) as cursor:
        cursor.execute(
            "SELECT current_database(), current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        )
        database, role, superuser = cursor.fetchone()
    assert database == role
    assert superuser is False


def store_cursor(store: Store):
    return connections[store.alias].cursor()


def test_a_customers_role_cannot_connect_to_anothers_database(acme: Store, bolt: Store) -> None:
    other = Placement.objects.get(customer_id=bolt.customer_id).database
    with psycopg.connect(_dsn_as(acme)) as own:  # the same credentials do work at home
        assert own.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(_dsn_as(acme, other))


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_a_customers_role_cannot_connect_to_shared_databases(acme: Store, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(_dsn_as(acme, database))


def test_a_customers_role_cannot_connect_to_the_control_database(acme: Store) -> None:
    control = connections["default"].settings_dict["NAME"]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(_dsn_as(acme, control))


def test_a_customers_role_cannot_become_anybody_else(acme: Store, bolt: Store) -> None:
    other = Placement.objects.get(customer_id=bolt.customer_id).role
    with psycopg.connect(_dsn_as(acme), autocommit=True) as own:
        for role in (other, "misentinel", "postgres"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                own.execute(f'SET ROLE "{role}"')
        for statement in ("CREATE TABLE loot (x int)", "DROP TABLE trail_entry", "ALTER TABLE trail_entry ADD x int"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                own.execute(statement)


def test_a_query_that_names_no_store_raises() -> None:
    for attempt in (
        lambda: list(OutboxRow.objects.all()),
        lambda: OutboxRow.objects.create(topic=Topic.EVENTS_RECEIVED, payload={}),
        lambda: OutboxRow(topic=Topic.EVENTS_RECEIVED, payload={}).save(),
        lambda: OutboxRow.objects.count(),
        lambda: OutboxRow.objects.bulk_create([OutboxRow(topic=Topic.EVENTS_RECEIVED, payload={})]),
        lambda: OutboxRow.objects.update(attempts=1),
        lambda: OutboxRow.objects.all().delete(),
    ):
        with pytest.raises(StoreNotNamed, match=r"using\(store\.alias\)"):
            attempt()


def test_a_row_stays_in_the_store_it_came_from(acme: Store, bolt: Store) -> None:
    with acme.atomic():
        row = OutboxRow.objects.using(acme.alias).create(topic=Topic.EVENTS_RECEIVED, payload={})
    row.attempts = 3
    row.save()
    assert OutboxRow.objects.using(acme.alias).get(id=row.id).attempts == 3
    assert not OutboxRow.objects.using(bolt.alias).exists()


def test_control_tables_are_not_in_a_store_and_a_stores_not_in_control(acme: Store) -> None:
    in_store = set(connections[acme.alias].introspection.table_names())
    in_control = set(connections["default"].introspection.table_names())
    assert {"store_outboxrow", "trail_entry"} <= in_store
    assert not in_store & {"store_placement", "customers_customer", "trail_pendingcopy"}
    assert "store_outboxrow" not in in_control


def test_a_second_store_for_a_customer_is_a_conflict(acme: Store) -> None:
    with pytest.raises(Conflict):
        provisioning.provision(acme.customer_id)


def test_a_name_that_is_taken_or_bad_leaves_nothing_behind() -> None:
    slug = f"dup-{uuid.uuid4().hex[:8]}"
    first = create_customer(ASHA, "First", slug=slug)
    before = Placement.objects.count()
    with pytest.raises(Conflict, match=slug):
        create_customer(ASHA, "Second", slug=slug)
    with pytest.raises(Invalid):
        create_customer(ASHA, " ", slug=slug)
    assert Placement.objects.count() == before
    close_customer(ASHA, first.id)


@pytest.mark.parametrize("fault", [OSError("the disk is full"), KeyboardInterrupt("the disk is full")])
def test_a_failure_half_way_leaves_no_database_and_no_role(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def fail(**_: object) -> None:
        raise fault

    mark = uuid.uuid4().hex
    named = SimpleNamespace(token_hex=lambda length: mark, token_urlsafe=secrets.token_urlsafe)
    monkeypatch.setattr(provisioning, "secrets", named)
    monkeypatch.setattr(Placement.objects, "create", fail)
    slug = f"half-{mark[:8]}"
    with pytest.raises(type(fault), match="disk is full"):
        create_customer(ASHA, "Half", slug=slug)
    monkeypatch.undo()
    for query in ("SELECT rolname FROM pg_roles", "SELECT datname FROM pg_database"):
        assert [name for name in _names(query) if mark in name] == []
    again = create_customer(ASHA, "Half", slug=slug)  # the short name is free again
    close_customer(ASHA, again.id)


def _names(query: str) -> set[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall() if "test_" not in name}


def test_a_closed_customer_is_gone_with_database_and_role() -> None:
    customer = create_customer(ASHA, "Gone", slug=f"gone-{uuid.uuid4().hex[:8]}")
    placement = Placement.objects.get(customer_id=customer.id)
    get_store(customer.id).connection.ensure_connection()
    close_customer(ASHA, customer.id)
    with pytest.raises(NotFound):
        get_store(customer.id)
    assert placement.database not in _names("SELECT datname FROM pg_database")
    assert placement.role not in _names("SELECT rolname FROM pg_roles")
    with pytest.raises(Conflict, match="closed already"):
        close_customer(ASHA, customer.id)


def test_a_closing_that_was_cut_off_is_finished_by_closing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = create_customer(ASHA, "Cut", slug=f"cut-{uuid.uuid4().hex[:8]}")
    database = Placement.objects.get(customer_id=customer.id).database

    def die(_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(provisioning, "destroy", die)
    with pytest.raises(SystemExit):
        close_customer(ASHA, customer.id)
    monkeypatch.undo()
    assert database in _names("SELECT datname FROM pg_database")
    close_customer(ASHA, customer.id)
    assert database not in _names("SELECT datname FROM pg_database")


def test_an_unknown_customer_has_no_store() -> None:
    with pytest.raises(NotFound):
        get_store(new_id())


@pytest.mark.parametrize("location", ["", "DE", "US", "gb", "GB "])
def test_a_cluster_that_is_not_in_the_united_kingdom_is_refused_when_configured(location: str) -> None:
    from dataclasses import replace

    from django.conf import settings

    described = f'{{"far": {{"dsn": "host=db.example.com", "location": "{location}"}}}}'
    with pytest.raises(Misconfigured, match="stays in the United Kingdom"):
        clusters.parse_clusters(replace(settings.MISENTINEL, clusters=described))


def test_a_dsn_that_cannot_be_read_is_refused_without_repeating_its_password() -> None:
    from dataclasses import replace

    from django.conf import settings

    described = '{"main": {"dsn": "host=db.example.com password=hunter2 zz%%", "location": "GB"}}'
    with pytest.raises(Misconfigured, match="cannot be read") as refused:
        clusters.parse_clusters(replace(settings.MISENTINEL, clusters=described))
    assert "hunter2" not in str(refused.value)


def test_and_again_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    abroad = Cluster("far", clusters.get_cluster("main").dsn, "test", "DE")
    monkeypatch.setattr(clusters, "configured", lambda: {"far": abroad})
    with pytest.raises(Misconfigured, match="stays in the United Kingdom"):
        create_customer(ASHA, "Abroad", slug=f"abroad-{uuid.uuid4().hex[:8]}", cluster="far")


def test_a_clusters_password_is_not_shown() -> None:
    cluster = clusters.get_cluster("main")
    assert conninfo_to_dict(cluster.dsn)["password"] not in repr(cluster)


def test_a_transaction_is_the_stores_own(acme: Store, bolt: Store) -> None:
    with pytest.raises(RuntimeError), acme.atomic():
        OutboxRow.objects.using(acme.alias).create(topic=Topic.EVENTS_RECEIVED, payload={})
        with bolt.atomic():
            OutboxRow.objects.using(bolt.alias).create(topic=Topic.EVENTS_RECEIVED, payload={})
        raise RuntimeError
    assert not OutboxRow.objects.using(acme.alias).exists()
    assert OutboxRow.objects.using(bolt.alias).count() == 1
    assert transaction.get_connection(acme.alias).in_atomic_block is False


def test_the_tests_run_on_the_postgresql_they_were_asked_for() -> None:
    import os

    with connections["default"].cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0]) // 10000
    assert version == (15 if "/15/" in os.environ.get("TEST_POSTGRES_BINARIES", "") else 18)


def test_a_store_that_is_closed_or_broken_is_walked_past(acme: Store, bolt: Store) -> None:
    assert {acme, bolt} <= {*each_store()}
    Placement.objects.filter(customer_id=bolt.customer_id).update(fault="will not migrate")
    forget_store(bolt.customer_id)
    assert acme in {*each_store()} and bolt not in {*each_store()}
    with pytest.raises(Unavailable, match="being repaired"):
        get_store(bolt.customer_id)
    assert {acme.customer_id, bolt.customer_id} <= {placement.customer_id for placement in list_placements()}
    Placement.objects.filter(customer_id=bolt.customer_id).update(fault="")
    forget_store(bolt.customer_id)
    provisioning.destroy(bolt.customer_id)
    assert bolt not in {*each_store()}
    assert bolt.customer_id not in {placement.customer_id for placement in list_placements()}
