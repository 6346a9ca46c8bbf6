"""Finding a customer's store, and opening it as that customer's role."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from psycopg.conninfo import conninfo_to_dict

from misentinel.kernel.errors import NotFound, Unavailable
from misentinel.store.clusters import get_cluster
from misentinel.store.contracts import PlacementView, Store
from misentinel.store.models import Placement
from misentinel.store.planes import OWNER_PREFIX, STORE, STORE_PREFIX, app_planes
from misentinel.store.postgres.entry import django_database
from misentinel.vault import queries as vault

_REMEMBERED_SECONDS = 5.0  # a closed customer is refused within this time in every process
_known: dict[UUID, tuple[float, Store]] = {}
_lock = threading.Lock()


def get_store(customer_id: UUID) -> Store:
    """Returns the handle. Raises `NotFound` for a customer without a store, `Unavailable` for a broken one."""
    remembered = _known.get(customer_id)
    if remembered and remembered[0] > time.monotonic():
        return remembered[1]
    placement = Placement.objects.filter(customer_id=customer_id).first()
    if placement is None:
        _known.pop(customer_id, None)
        raise NotFound("There is no such customer.")
    if placement.fault:
        raise Unavailable("This customer's store is being repaired; try again later.")
    if placement.schema != current_schema():
        raise Unavailable("This customer's store is being brought up to date; try again later.")
    store = Store(customer_id, STORE_PREFIX + placement.database)
    _register(store.alias, role_parameters(placement))
    _known[customer_id] = (time.monotonic() + _REMEMBERED_SECONDS, store)
    return store


@cache
def current_schema() -> str:
    """Names the set of migrations that a store of this program has seen."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    seen = sorted(f"{app}.{name}" for app, name in loader.disk_migrations if STORE in app_planes(app))
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:16]


def forget_store(customer_id: UUID) -> None:
    """Makes this process look the store up again; others do within `_REMEMBERED_SECONDS`."""
    _known.pop(customer_id, None)


def list_placements() -> list[PlacementView]:
    return [_view(p) for p in Placement.objects.order_by("created_at")]


def owner_of_database(database: str) -> UUID | None:
    """Returns the customer whose store is in `database`, or None: it is no store's."""
    return Placement.objects.filter(database=database).values_list("customer_id", flat=True).first()


def each_store() -> Iterator[Store]:
    """Every store that can be opened, oldest first; one that is broken or behind does not hide those after it."""
    for customer_id in Placement.objects.order_by("created_at").values_list("customer_id", flat=True):
        try:
            yield get_store(customer_id)
        except (NotFound, Unavailable):  # closed or broken since the list was made, or not brought forward yet
            continue


def role_parameters(placement: Placement) -> dict[str, Any]:
    """Returns libpq parameters that open the store as its customer's role."""
    password = vault.open_secret("store-role", bytes(placement.sealed_password), placement.role)
    cluster = conninfo_to_dict(get_cluster(placement.cluster).dsn)
    return {**cluster, "dbname": placement.database, "user": placement.role, "password": password.decode()}


def owner_alias(cluster: str, database: str) -> str:
    """Returns an alias that opens the database as the owner of its tables, for migrations only."""
    alias = f"{OWNER_PREFIX}{database}"
    _register(alias, {**conninfo_to_dict(get_cluster(cluster).dsn), "dbname": database})
    return alias


def _register(alias: str, parameters: dict[str, Any]) -> None:
    with _lock:
        if alias in connections.settings:
            return
        ours = alias.startswith(STORE_PREFIX)
        engine = "misentinel.store.postgres" if ours else "misentinel.store.postgres.verified"
        # A new dictionary: at the end of every request Django walks the one there is, in threads that hold no lock.
        connections.settings = {**connections.settings, alias: django_database(parameters, engine)}


def _view(placement: Placement) -> PlacementView:
    return PlacementView(
        placement.customer_id,
        placement.cluster,
        placement.database,
        placement.schema,
        placement.created_at,
        placement.fault,
    )
