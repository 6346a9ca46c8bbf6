"""Which DSNs are taken: a Unix socket, or a server that proves who it is. Everything else is told what to write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.settings import Settings
from misentinel.store.clusters import parse_clusters, parse_dsn
from misentinel.store.contracts import Store
from misentinel.store.postgres import transport


@pytest.fixture
def authority(tmp_path):
    file = tmp_path / "ca.pem"
    file.touch()
    return file


@pytest.mark.parametrize(
    "dsn",
    [
        "host=db.example.com dbname=x",
        "host=127.0.0.1 dbname=x",
        "host=localhost dbname=x",
        "dbname=x",
        "host=db.example.com sslmode=require sslrootcert={ca}",
        "host=db.example.com sslmode=verify-ca sslrootcert={ca}",
        "host=db.example.com sslmode=disable sslrootcert={ca}",
        "host=db.example.com sslmode=verify-full",
        "host=db.example.com sslmode=verify-full sslrootcert=system",
        "host=db.example.com sslmode=verify-full sslrootcert=/nowhere/ca.pem",
        "host=/run/postgresql,db.example.com dbname=x",
        "host=/run/postgresql hostaddr=192.0.2.1 dbname=x",
        "host=@abstract dbname=x",
        "hostaddr=192.0.2.1 sslmode=verify-full sslrootcert={ca}",
        "service=production",
    ],
)
def test_what_proves_nothing_is_refused_with_what_to_write(authority, dsn) -> None:
    with pytest.raises(Misconfigured, match=r"Setting control_url .*(sslmode|sslrootcert|host)") as raised:
        parse_dsn(dsn.format(ca=authority), "control_url")
    assert "192.0.2.1" not in raised.value.message
    described = {"main": {"dsn": dsn.format(ca=authority), "location": "GB"}}
    with pytest.raises(Misconfigured, match="Setting clusters"):
        parse_clusters(Settings(clusters=json.dumps(described)))


def test_a_unix_socket_and_a_proven_server_are_taken(authority) -> None:
    parse_dsn("host=/run/postgresql dbname=x", "control_url")
    parse_dsn(f"host=db.example.com sslmode=verify-full sslrootcert={authority}", "control_url")


@pytest.mark.parametrize("variable", ["PGHOSTADDR", "PGSERVICE"])
def test_the_environment_leads_nowhere_else(monkeypatch, variable) -> None:
    monkeypatch.setenv(variable, "192.0.2.1")
    with pytest.raises(Misconfigured, match=f"Unset {variable}"):
        parse_dsn("host=/run/postgresql dbname=x", "control_url")


def test_kerberos_cannot_take_the_place_of_tls(authority) -> None:
    given = conninfo_to_dict(f"host=db.example.com sslmode=verify-full sslrootcert={authority} gssencmode=prefer")
    assert transport.proven(dict(given))["gssencmode"] == "disable"


@pytest.mark.parametrize("alias", ["default", "vault", "store"])
def test_every_connection_is_judged_again_when_it_is_opened(acme: Store, monkeypatch, alias) -> None:
    """As if the settings had been changed behind our back after the start."""
    wrapper = connections[acme.alias if alias == "store" else alias]
    assert wrapper.get_connection_params()["host"].startswith("/")
    weaker: dict[str, Any] = {**wrapper.settings_dict, "HOST": "db.example.com"}
    monkeypatch.setattr(wrapper, "settings_dict", weaker)
    with pytest.raises(Misconfigured, match="sslmode=verify-full"):
        wrapper.get_new_connection(wrapper.get_connection_params())
