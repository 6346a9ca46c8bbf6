"""Debian's PostgreSQL 15 over TCP: both ends prove who they are, and what stopped counting opens nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from conftest import FAST
from misentinel.kernel.clock import held, now
from misentinel.kernel.errors import Misconfigured
from misentinel.site.serving.services import LIFE, Role, Services
from misentinel.store import embedded
from misentinel.store.embedded import EmbeddedCluster
from misentinel.store.postgres import transport
from tests.live import free_ports

BINARIES = Path("/usr/lib/postgresql/15/bin")
pytestmark = pytest.mark.skipif(
    not (BINARIES / "initdb").exists(), reason="Debian's PostgreSQL 15 is not installed here"
)
# As docs/guide/running.md tells an operator to write it.
ACCESS = """\
local   all all                    scram-sha-256
hostssl all misentinel         all scram-sha-256 clientcert=verify-full
hostssl all +misentinel_store  all scram-sha-256 clientcert=verify-ca
"""


@dataclass
class Elsewhere:
    """An operator's server. `vouching` is the operator's authority, which our program is told of as sslrootcert."""

    cluster: EmbeddedCluster
    port: int
    vouching: Services
    ours: Services

    def dsn(self, **changed: Any) -> dict[str, Any]:
        given = conninfo_to_dict(self.cluster.dsn())
        given |= {"host": "localhost", "port": self.port, "sslmode": "verify-full"}
        given |= {"sslrootcert": str(self.vouching.authority), "connect_timeout": 5}
        return {**given, **changed}

    def connect(self, **changed: Any) -> psycopg.Connection:
        return psycopg.connect(**transport.proven(self.dsn(**changed), "control_url"), autocommit=True)

    def take(self, what: Path, name: str) -> str:
        """Puts a file of somebody's where the server reads it."""
        place = self.cluster.folder / name
        place.unlink(missing_ok=True)
        shutil.copyfile(what, place)
        place.chmod(0o600)
        if os.geteuid() == 0:
            user = embedded._system_user()
            os.chown(place, user.pw_uid, user.pw_gid)
        return name

    def reload(self) -> None:
        """What the operator does after copying: the lists and certificates are read again."""
        self.take(self.ours.revocations, "revoked.pem")
        self.take(self.vouching.certificate(Role.WEB), "server.pem")
        self.cluster._run("pg_ctl", "reload", "-D", str(self.cluster.folder))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Iterator[Elsewhere]:
    vouching, ours = Services(tmp_path_factory.mktemp("operator")), Services(tmp_path_factory.mktemp("ours"))
    vouching.renew_due([Role.WEB])
    ours.renew_due()
    cluster = EmbeddedCluster(Path(os.environ["MISENTINEL_HOME"]), "elsewhere", binaries=BINARIES, options=FAST)
    cluster.start()
    with psycopg.connect(cluster.dsn(role="postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE misentinel_store")
        connection.execute("CREATE ROLE ms_acme LOGIN IN ROLE misentinel_store PASSWORD 'of-acme'")
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'of-nobody'")
        connection.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
    cluster.stop()
    (port,) = free_ports(1)
    made = Elsewhere(cluster, port, vouching, ours)
    (cluster.folder / "pg_hba.conf").write_text(ACCESS)
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": cluster.socket_folder, "ssl": "on",
        "ssl_cert_file": made.take(vouching.certificate(Role.WEB), "server.pem"), "ssl_key_file": "server.pem",
        "ssl_ca_file": made.take(ours.authority, "services.pem"),
        "ssl_crl_file": made.take(ours.revocations, "revoked.pem"), **FAST,
    }  # fmt: skip
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    log = str(cluster.folder / "server.log")
    cluster._run("pg_ctl", "start", "-w", "-D", str(cluster.folder), "-l", log, "-o", options)
    yield made
    transport.present(None)
    cluster.stop()


@pytest.fixture(autouse=True)
def own(elsewhere: Elsewhere) -> Iterator[Path]:
    """Each test begins with a good certificate at both ends."""
    elsewhere.ours.renew(Role.SUPERVISOR)
    elsewhere.vouching.renew(Role.WEB)
    elsewhere.reload()
    certificate = elsewhere.ours.certificate(Role.SUPERVISOR)
    transport.present(certificate)
    yield certificate
    transport.present(None)


def seen(connection: psycopg.Connection) -> tuple[str, int, int]:
    """What the server saw: the subject of our certificate, its serial number, and the bits of the cipher."""
    statement = "SELECT client_dn, client_serial, bits FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    subject, serial, bits = connection.execute(statement).fetchone()
    return subject, int(serial), bits


def test_both_ends_are_proven_and_the_cipher_is_strong(elsewhere: Elsewhere) -> None:
    with elsewhere.connect() as connection:
        subject, _, bits = seen(connection)
    assert subject == "/CN=misentinel/OU=supervisor"
    assert bits == 256


def test_a_customers_role_needs_our_certificate_as_well_as_its_password(elsewhere: Elsewhere) -> None:
    with elsewhere.connect(user="ms_acme", password="of-acme") as connection:
        assert seen(connection)[0].startswith("/CN=misentinel")
    transport.present(None)
    with pytest.raises(psycopg.OperationalError, match="client certificate"):
        elsewhere.connect(user="ms_acme", password="of-acme")


@pytest.mark.parametrize("changed", [{"user": "stranger", "password": "of-nobody"}, {"password": "wrong"}])
def test_the_certificate_alone_opens_nothing(elsewhere: Elsewhere, changed) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba.conf entry|password authentication failed"):
        elsewhere.connect(**changed)


def test_without_a_certificate_the_password_opens_nothing(elsewhere: Elsewhere) -> None:
    transport.present(None)
    with pytest.raises(psycopg.OperationalError, match="client certificate"):
        elsewhere.connect()


def test_a_server_that_another_authority_vouches_for_is_refused(elsewhere: Elsewhere) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        elsewhere.connect(sslrootcert=str(elsewhere.ours.authority))


def test_a_server_with_another_name_is_refused(elsewhere: Elsewhere) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"does not match host name"):
        elsewhere.connect(host="db.example.com", hostaddr="127.0.0.1")


def test_a_server_whose_certificate_expired_is_refused(elsewhere: Elsewhere) -> None:
    with held(now() - LIFE - timedelta(minutes=5)):
        elsewhere.vouching.renew(Role.WEB)
    elsewhere.reload()
    _until_refused(elsewhere, "certificate verify failed")


def test_a_service_certificate_that_expired_is_refused(elsewhere: Elsewhere) -> None:
    with held(now() - LIFE - timedelta(minutes=5)):
        elsewhere.ours.renew(Role.SUPERVISOR)
    with pytest.raises(psycopg.OperationalError, match="certificate expired"):
        elsewhere.connect()


def test_a_service_certificate_of_another_authority_is_refused(elsewhere: Elsewhere, tmp_path) -> None:
    foreign = Services(tmp_path)
    foreign.renew(Role.SUPERVISOR)
    transport.present(foreign.certificate(Role.SUPERVISOR))
    with pytest.raises(psycopg.OperationalError, match=r"unknown ca|client certificate"):
        elsewhere.connect()


def test_a_revoked_service_certificate_is_refused(elsewhere: Elsewhere, tmp_path, own: Path) -> None:
    taken = tmp_path / "taken.pem"
    taken.write_bytes(own.read_bytes())
    taken.chmod(0o600)
    issued = elsewhere.ours.list_issued()[0]
    elsewhere.ours.revoke(issued.serial)
    elsewhere.reload()
    transport.present(taken)
    _until_refused(elsewhere, "certificate revoked")
    transport.present(own)  # what took its place
    elsewhere.connect().close()


def test_a_pool_shows_a_renewed_certificate_without_a_restart(elsewhere: Elsewhere) -> None:
    parameters = transport.proven(elsewhere.dsn(), "control_url")
    with ConnectionPool(kwargs=parameters, min_size=1, max_size=1, max_lifetime=3600, timeout=20) as pool:
        with pool.connection() as connection:
            _, before, _ = seen(connection)
        renewed = elsewhere.ours.renew(Role.SUPERVISOR)
        with pool.connection() as connection:
            assert seen(connection)[1] == before  # a connection lives on; the next one is another matter
            connection.close()
        with pool.connection() as connection:
            assert seen(connection)[1] == int(renewed.serial, 16)


@pytest.mark.parametrize("weaker", ["disable", "require", "verify-ca"])
def test_less_is_refused_before_a_byte_leaves(elsewhere: Elsewhere, weaker) -> None:
    with pytest.raises(Misconfigured, match="sslmode=verify-full"):
        elsewhere.connect(sslmode=weaker)


def _until_refused(elsewhere: Elsewhere, why: str) -> None:
    """A reload is a signal: the server heeds it a moment later."""
    for _ in range(100):
        try:
            elsewhere.connect().close()
        except psycopg.OperationalError as error:
            assert why in str(error)
            return
    pytest.fail("the server went on letting it in")
