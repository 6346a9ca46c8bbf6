"""Which clusters there are, from the settings. Residency is decided here and again wherever a cluster is used."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import psycopg
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.settings import Settings
from misentinel.store.contracts import UNITED_KINGDOM, Cluster
from misentinel.store.embedded import EmbeddedCluster
from misentinel.store.postgres import transport

DEFAULT = "main"


def data_cluster(given: Settings) -> EmbeddedCluster:
    return EmbeddedCluster(given.home, "data", ("control",))


def vault_cluster(given: Settings) -> EmbeddedCluster:
    return EmbeddedCluster(given.home, "vault", ("vault",))


def embedded_clusters(given: Settings) -> list[EmbeddedCluster]:
    """Returns the clusters that no setting replaces by a server elsewhere."""
    found: list[EmbeddedCluster] = []
    if not given.control_url or not given.clusters:
        found.append(data_cluster(given))
    if not given.vault_url:
        found.append(vault_cluster(given))
    return found


def parse_clusters(given: Settings) -> dict[str, Cluster]:
    """Returns the clusters by name. Raises `Misconfigured` for one that is not in the United Kingdom."""
    if not given.clusters:
        dsn = data_cluster(given).dsn()
        return {DEFAULT: Cluster(DEFAULT, dsn, provider="embedded", location=UNITED_KINGDOM)}
    try:
        described: dict[str, dict[str, Any]] = json.loads(given.clusters)
        found = {
            name: Cluster(name, one["dsn"], one.get("provider", "postgresql"), one.get("location", ""))
            for name, one in described.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(
            'Setting clusters must be JSON like {"main": {"dsn": "…", "provider": "…", "location": "GB"}}.'
        ) from error
    if not found:
        raise Misconfigured("Setting clusters names no cluster; leave it empty for the embedded one.")
    for cluster in found.values():
        require_united_kingdom(cluster)
        parse_dsn(cluster.dsn, "clusters")
    return found


def parse_dsn(dsn: str, setting: str) -> dict[str, Any]:
    """Returns what libpq makes of `dsn`. Raises `Misconfigured` without repeating any of it: it may hold a password.

    Refused is also what would reach a server over a network without proof of who answers, see `transport`.
    """
    try:
        found = dict(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError:
        raise Misconfigured(
            f"Setting {setting} has a DSN that cannot be read; one looks like "
            "postgresql://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/path/to/ca.pem."
        ) from None
    transport.require_proof(found, setting)
    return found


def require_united_kingdom(cluster: Cluster) -> None:
    """Fail closed: customer data is only ever placed, moved or copied to a declared location in the UK."""
    if cluster.location != UNITED_KINGDOM:
        where = cluster.location or "an undeclared location"
        raise Misconfigured(
            f"Cluster {cluster.name} is in {where}; customer data stays in the United Kingdom (location GB)."
        )


@cache
def configured() -> dict[str, Cluster]:
    return parse_clusters(settings.MISENTINEL)


def get_cluster(name: str) -> Cluster:
    """Returns the cluster, residency checked again at the moment of use."""
    try:
        cluster = configured()[name]
    except KeyError:
        raise Misconfigured(f"No cluster named {name} is configured; there are: {', '.join(configured())}.") from None
    require_united_kingdom(cluster)
    return cluster
