"""What crosses the store's border: the handle that names a customer's store, clusters, and topics of the outbox."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

UNITED_KINGDOM = "GB"


@dataclass(frozen=True, slots=True)
class Store:
    """One customer's datastore. `alias` names its database to Django; every query on a store's models needs it."""

    customer_id: UUID
    alias: str

    def atomic(self) -> AbstractContextManager[None]:
        """One transaction in this store; nested, a savepoint."""
        return transaction.atomic(using=self.alias)

    @property
    def connection(self) -> BaseDatabaseWrapper:
        return connections[self.alias]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL cluster that may hold stores. `location` is an ISO 3166 country code; only GB is accepted."""

    name: str
    dsn: str
    provider: str
    location: str

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}, provider={self.provider!r}, location={self.location!r})"


@dataclass(frozen=True, slots=True)
class PlacementView:
    """Where one store lives and how far it is migrated."""

    customer_id: UUID
    cluster: str
    database: str
    schema: str
    created_at: datetime
    fault: str


class Topic(StrEnum):
    """What an outbox row is about. `site/wiring.py` lists who handles each."""

    EVENTS_RECEIVED = "events_received"
    PEOPLE_CHANGED = "people_changed"
    DELIVERIES_QUEUED = "deliveries_queued"
