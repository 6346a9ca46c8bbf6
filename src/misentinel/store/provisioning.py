"""Making a customer's database by cloning a migrated template, as one owner and one role that may only use it.

A template's name carries the digest of the migrations it has seen, so an old one is never cloned by a new program.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from misentinel.kernel.errors import Conflict, NotFound, Unavailable
from misentinel.store.clusters import DEFAULT, configured, get_cluster
from misentinel.store.contracts import Cluster, Store
from misentinel.store.models import Placement
from misentinel.store.planes import STORE, STORE_PREFIX, planes_of
from misentinel.store.postgres import transport
from misentinel.store.postgres.pool import POOL
from misentinel.store.queries import current_schema, forget_store, get_store, owner_alias
from misentinel.vault import actions as vault_actions
from misentinel.vault import queries as vault

GROUP_ROLE = "misentinel_store"
_TEMPLATE_LOCK = 0x4D53_7431


def provision(customer_id: UUID, cluster_name: str = "") -> Store:
    """Creates key, role and database of a new customer. If a step fails, no role and no database is left behind; a key
    that wraps nothing may stay in the vault.

    Raises `Conflict` if the customer has a store, `Misconfigured` for a cluster that is unknown or abroad.
    """
    if Placement.objects.filter(customer_id=customer_id).exists():
        raise Conflict("This customer has a store already.")
    cluster = get_cluster(cluster_name or default_cluster())
    vault_actions.create_customer_key(customer_id)
    name = f"ms_{secrets.token_hex(10)}"
    password = secrets.token_urlsafe(32)
    with _administer(cluster) as connection:
        template = _ensure_template(connection, cluster)
        try:
            _create_database(connection, name, password, template)
            Placement.objects.create(
                customer_id=customer_id, cluster=cluster.name, database=name, role=name, schema=current_schema(),
                sealed_password=vault.seal_secret("store-role", password.encode(), name),
            )  # fmt: skip
        except BaseException:  # Ctrl-C too
            _drop_database(connection, name)
            raise
    return get_store(customer_id)


def destroy(customer_id: UUID) -> None:
    """Drops the database and role and shreds the customer's keys. What backups hold of it can no longer be read.

    Raises `NotFound` where there is no store (any more). Safe to repeat after it was cut off.
    """
    placement = Placement.objects.filter(customer_id=customer_id).first()
    if placement is None:
        raise NotFound("This customer has no store.")
    alias = STORE_PREFIX + placement.database
    forget_store(customer_id)
    if alias in connections.settings:
        connections[alias].close()
        POOL.forget(alias)
    with _administer(get_cluster(placement.cluster)) as connection:
        _drop_database(connection, placement.database)
    vault_actions.shred_customer(customer_id)
    placement.delete()


def prepare_clusters() -> None:
    """Makes sure that every configured cluster has the group role and a template of the current schema."""
    for cluster in configured().values():
        with _administer(cluster) as connection:
            _ensure_template(connection, cluster)


def default_cluster() -> str:
    names = list(configured())
    return DEFAULT if DEFAULT in names else names[0]


def migrate_database(cluster: str, database: str) -> None:
    """Runs the stores' migrations on one database and renews what the group role may do there."""
    alias = owner_alias(cluster, database)
    try:
        call_command("migrate", database=alias, verbosity=0, interactive=False, skip_checks=True)
        with connections[alias].cursor() as cursor:
            for statement in _grants():
                cursor.execute(statement)
    finally:
        connections[alias].close()


def _administer(cluster: Cluster) -> psycopg.Connection[Any]:
    try:
        proven = transport.proven(dict(conninfo_to_dict(cluster.dsn)))
        return psycopg.connect(**proven, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise Unavailable(f"Cluster {cluster.name} cannot be reached: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _ensure_template(connection: psycopg.Connection[Any], cluster: Cluster) -> str:
    name = f"ms_template_{current_schema()}"
    if _is_template(connection, name):
        return name
    connection.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
    try:
        if not _is_template(connection, name):
            _make_template(connection, cluster, name)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [_TEMPLATE_LOCK])
    return name


def _is_template(connection: psycopg.Connection[Any], name: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s AND NOT datallowconn", [name]).fetchone()
    return found is not None


def _make_template(connection: psycopg.Connection[Any], cluster: Cluster, name: str) -> None:
    group, database = sql.Identifier(GROUP_ROLE), sql.Identifier(name)
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [GROUP_ROLE]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(group))
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
    connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(database))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    migrate_database(cluster.name, name)
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))


def _create_database(connection: psycopg.Connection[Any], name: str, password: str, template: str) -> None:
    identifier, group = sql.Identifier(name), sql.Identifier(GROUP_ROLE)
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN IN ROLE {} PASSWORD {}").format(identifier, group, sql.Literal(password))
    )
    # Nobody can connect until PUBLIC has lost the right to.
    connection.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG ALLOW_CONNECTIONS false").format(
            identifier, sql.Identifier(template)
        )
    )
    with connection.transaction(), connection.pipeline():
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(identifier))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {0} TO {0}").format(identifier))
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(identifier))


def _drop_database(connection: psycopg.Connection[Any], name: str) -> None:
    identifier = sql.Identifier(name)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
        # Whoever ends another role's sessions must be a member of it.
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(identifier))
    try:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
    except psycopg.errors.InsufficientPrivilege:
        # An autovacuum worker is in there, which only a superuser may force out. Without FORCE it is asked to leave
        # and waited for, once the customer's own sessions have ended.
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(identifier))
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [name])
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(identifier))
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(identifier))


def _grants() -> Sequence[sql.Composed]:
    """What the group role may do: everything to a store's rows, but only add and read where a model is append-only."""
    group = sql.Identifier(GROUP_ROLE)
    statements = [
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(group),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(group),
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(group),
    ]
    for model in apps.get_models(include_auto_created=True):
        if STORE not in planes_of(model):
            continue
        allowed = "SELECT, INSERT" if getattr(model, "append_only", False) else "SELECT, INSERT, UPDATE, DELETE"
        statements.append(
            sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(allowed), sql.Identifier(model._meta.db_table), group)
        )
    return statements
