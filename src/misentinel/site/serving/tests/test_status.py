"""Only a process of this installation, in the right role, with a certificate that still counts, is told anything."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from misentinel.kernel.clock import held, now
from misentinel.kernel.errors import Conflict, NotFound, Unavailable
from misentinel.site.serving import tls
from misentinel.site.serving.services import LIFE, REVOCATIONS_LIFE, Role, Services
from misentinel.site.serving.status import ask
from misentinel.site.serving.tests.test_tls import accepted_suites, weaknesses


@contextmanager
def answering(services: Services, role: Role) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "misentinel.site.serving.tests.answering", services.folder.parents[1], role],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=tls.environment(os.environ),
    )  # fmt: skip
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def services(tmp_path_factory) -> Services:
    made = Services(tmp_path_factory.mktemp("home"))
    made.renew_due()
    return made


@pytest.fixture(scope="module")
def web(services) -> Iterator[int]:
    with answering(services, Role.WEB) as port:
        yield port


def knock(services: Services, port: int, certificate: Path | None) -> bytes:
    """What a client with this certificate gets, that trusts whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(services.authority)
    if certificate:
        context.load_cert_chain(certificate)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, context.wrap_socket(raw) as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\n\r\n")
        return connection.recv(4096)


def attempt(services: Services, port: int, certificate: Path | None) -> bytes:
    """What a peer gets that may be turned away by an alert or a connection that is reset."""
    try:
        return knock(services, port, certificate)
    except OSError:
        return b""


def test_the_supervisor_is_told_what_runs_since_when_and_which_version(services, web) -> None:
    told = ask(services, Role.WEB, web)
    assert told["role"] == "web"
    assert {"pid", "since", "version", "last_job"} <= set(told)
    assert b'"role": "web"' in knock(services, web, services.certificate(Role.SUPERVISOR))


def _nobody(services: Services, folder: Path) -> Path | None:
    return None


def _foreign(services: Services, folder: Path) -> Path:
    other = Services(folder)
    other.renew(Role.SUPERVISOR)
    return other.certificate(Role.SUPERVISOR)


def _expired(services: Services, folder: Path) -> Path:
    with held(now() - LIFE - timedelta(minutes=1)):
        services.renew(Role.SUPERVISOR)
    return _taken(services, folder)


def _revoked(services: Services, folder: Path) -> Path:
    issued = services.renew(Role.SUPERVISOR)
    taken = _taken(services, folder)
    services.revoke(issued.serial)
    return taken


def _other_role(services: Services, folder: Path) -> Path:
    return services.certificate(Role.WORKER)


def _taken(services: Services, folder: Path) -> Path:
    """Somebody copied the supervisor's file; the supervisor itself has a new one."""
    copy = folder / "taken.pem"
    copy.write_bytes(services.certificate(Role.SUPERVISOR).read_bytes())
    services.renew(Role.SUPERVISOR)
    return copy


@pytest.mark.parametrize("whose", [_nobody, _foreign, _expired, _revoked, _other_role], ids=lambda f: f.__name__)
def test_from_this_very_machine_nobody_else_gets_an_answer(services, web, tmp_path, whose) -> None:
    assert attempt(services, web, whose(services, tmp_path)) == b""
    assert ask(services, Role.WEB, web)["role"] == "web"


def test_the_supervisor_believes_no_other_process(services, web, tmp_path) -> None:
    with pytest.raises(Unavailable, match="the peer is not the worker"):
        ask(services, Role.WORKER, web)
    impostor = Services(tmp_path)
    impostor.renew_due()
    with answering(impostor, Role.WEB) as port, pytest.raises(Unavailable, match="does not say that it is well"):
        ask(services, Role.WEB, port)


def test_nobody_is_let_in_by_a_revocation_list_that_is_out_of_date(tmp_path) -> None:
    services = Services(tmp_path)
    with held(now() - REVOCATIONS_LIFE - timedelta(minutes=1)):
        services.renew_due()
    stale = services.trust.read_bytes()
    services.renew_due()
    with answering(services, Role.WEB) as port:
        assert knock(services, port, services.certificate(Role.SUPERVISOR))
        services.trust.write_bytes(stale)
        assert attempt(services, port, services.certificate(Role.SUPERVISOR)) == b""


def test_a_renewed_certificate_is_shown_without_a_restart(services, web) -> None:
    before = ask(services, Role.WEB, web)
    renewed = services.renew(Role.WEB)
    with socket.create_connection(("127.0.0.1", web)) as raw:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(services.authority)
        context.load_cert_chain(services.certificate(Role.SUPERVISOR))
        with context.wrap_socket(raw) as connection:
            assert int(connection.getpeercert()["serialNumber"], 16) == int(renewed.serial, 16)
    assert ask(services, Role.WEB, web)["pid"] == before["pid"]


@pytest.mark.strangers
def test_sslyze_finds_only_256_bit_suites_where_the_processes_talk(services, web, tmp_path) -> None:
    assert weaknesses(accepted_suites(web, tmp_path / "report.json"), ("tls_1_3",)) == []


def test_curl_is_answered_with_the_supervisors_certificate_alone(services, web) -> None:
    own = services.certificate(Role.SUPERVISOR)
    command = ["curl", "-sS", "--cacert", services.authority, f"https://localhost:{web}/"]
    assert subprocess.run([*command, "--cert", own], capture_output=True, check=False).stdout.startswith(b"{")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_certificates_last_a_day_and_are_renewed_at_half_of_it(tmp_path) -> None:
    services = Services(tmp_path)
    first = services.renew_due()
    assert {one.role for one in first} == set(Role)
    assert all(one.expires_at - one.issued_at <= LIFE for one in first)
    with held(now() + timedelta(hours=11)):
        assert services.renew_due() == []
    with held(now() + timedelta(hours=13)):
        assert {one.role for one in services.renew_due()} == set(Role)
        assert len(services.list_issued()) == 8
    with held(now() + timedelta(hours=25)):
        assert len(services.list_issued()) == 4


def test_what_is_revoked_in_use_is_replaced_and_only_once(tmp_path) -> None:
    services = Services(tmp_path)
    services.renew_due()
    web = next(one for one in services.list_issued() if one.role is Role.WEB)
    revoked, made = services.revoke(web.serial)
    assert revoked.revoked_at is not None
    assert made is not None
    assert made.serial != web.serial
    assert services.renew_due() == []
    with pytest.raises(Conflict):
        services.revoke(web.serial)
    with pytest.raises(NotFound):
        services.revoke("beef")


def test_keys_belong_to_their_owner_alone(services) -> None:
    secrets = [services.folder / "authority.key", *(services.certificate(role) for role in Role)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}
    assert stat.S_IMODE(services.folder.stat().st_mode) == 0o700
