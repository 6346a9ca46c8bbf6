"""Taking a store away from the program, and giving it back: what a restart or a broken disk looks like from inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg import sql

from misentinel.store.clusters import get_cluster
from misentinel.store.contracts import Store
from misentinel.store.models import Placement
from misentinel.store.postgres.pool import POOL


def end_sessions(store: Store) -> None:
    """Ends every session in the store's database, as a restart of PostgreSQL does."""
    _administer(store, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {literal}")


@contextmanager
def unreachable(store: Store) -> Iterator[None]:
    """Nobody can connect to the store's database inside the block."""
    _administer(store, "ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    connections[store.alias].close()
    POOL.forget(store.alias)
    try:
        yield
    finally:
        _administer(store, "ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def _administer(store: Store, statement: str) -> Any:
    database = Placement.objects.get(customer_id=store.customer_id).database
    with psycopg.connect(get_cluster("main").dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(database)))
        composed = sql.SQL(statement).format(literal=sql.Literal(database), name=sql.Identifier(database))
        return connection.execute(composed)
