"""What TLS is served, judged by sslyze; that the judge can say no; and the time a peer is given."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.settings import Settings
from misentinel.site.serving.authority import ensure_certificate
from misentinel.site.serving.tests.conftest import Served
from misentinel.site.serving.tls import BoundedSocket, ReloadingContext, refuse_weakness, server_context

SSLYZE = Path(__file__).resolve().parents[5] / ".venv-tools" / "bin" / "sslyze"
REFUSED_VERSIONS = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
SERVED_VERSIONS = ("tls_1_2", "tls_1_3")
SCANS = ("--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3")
STRONG = ("AES_256", "CHACHA20")


def accepted_suites(port: int, report: Path) -> dict[str, list[str]]:
    """Returns, by version, IANA's names of the suites that sslyze finds accepted on `port`."""
    subprocess.run(
        [SSLYZE, *SCANS, f"--json_out={report}", f"localhost:{port}"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    result = json.loads(report.read_text())["server_scan_results"][0]
    assert result["connectivity_status"] == "COMPLETED"
    found = {}
    for version in REFUSED_VERSIONS + SERVED_VERSIONS:
        scan = result["scan_result"][f"{version}_cipher_suites"]
        assert scan["status"] == "COMPLETED", version
        found[version] = [suite["cipher_suite"]["name"] for suite in scan["result"]["accepted_cipher_suites"]]
    return found


def weaknesses(accepted: dict[str, list[str]], versions: tuple[str, ...] = SERVED_VERSIONS) -> list[str]:
    """The profile: these versions only, 256-bit keys only, forward secrecy only. Returns what breaks it."""
    broken = [f"{version} is served" for version in accepted if version not in versions and accepted[version]]
    broken += [f"{version} is not served" for version in versions if not accepted[version]]
    for version in versions:
        for name in accepted[version]:
            if not any(cipher in name for cipher in STRONG):
                broken.append(f"{name} has no 256-bit key")
            if version == "tls_1_2" and "_ECDHE_" not in name:
                broken.append(f"{name} has no forward secrecy")
    return broken


@pytest.mark.strangers
def test_sslyze_finds_only_256_bit_suites_with_forward_secrecy(served: Served, tmp_path):
    assert weaknesses(accepted_suites(served.port, tmp_path / "report.json")) == []


@pytest.mark.strangers
def test_sslyze_catches_a_server_with_pythons_own_choice_of_suites(tmp_path):
    certificate = ensure_certificate(Settings(home=tmp_path))
    with _default_server(certificate.chain) as port:
        found = weaknesses(accepted_suites(port, tmp_path / "report.json"))
    assert "TLS_AES_128_GCM_SHA256 has no 256-bit key" in found


def test_a_context_that_would_offer_128_bits_is_refused():
    with pytest.raises(Misconfigured, match="TLS_AES_128_GCM_SHA256"):
        refuse_weakness(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_a_server_context_fails_closed_where_openssl_was_not_configured(tmp_path):
    if "OPENSSL_CONF" in os.environ:
        pytest.skip("this test run was itself started with an OPENSSL_CONF")
    with pytest.raises(Misconfigured, match="nothing is served"):
        server_context(ensure_certificate(Settings(home=tmp_path)))


def test_an_older_version_is_refused(served: Served):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", served.port)) as raw:
        context.wrap_socket(raw)


def test_a_renewed_certificate_is_served_without_a_restart(served: Served):
    with served.connect() as connection:
        before = connection.getpeercert(binary_form=True)
    (served.home / "tls" / "server.pem").unlink()
    ensure_certificate(Settings(home=served.home))
    with served.connect() as connection:
        assert connection.getpeercert(binary_form=True) != before


def test_a_peer_has_its_time_for_the_whole_request_not_for_each_byte(tmp_path):
    server, client = _bounded_pair(tmp_path)
    with server, client:
        server.start_clock(0.6)
        started = time.monotonic()
        with pytest.raises(ConnectionResetError):
            while True:
                client.sendall(b"G")
                server.recv(10)
                time.sleep(0.1)
        assert 0.4 < time.monotonic() - started < 10


def test_a_peer_that_reads_nothing_is_given_up(tmp_path):
    server, client = _bounded_pair(tmp_path)
    with server, client:
        server.start_clock(0.5)
        with pytest.raises(ConnectionResetError):
            server.sendall(bytes(50_000_000))


def test_a_handshake_that_does_not_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("misentinel.site.serving.tls.HANDSHAKE_SECONDS", 0.3)
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ConnectionResetError):
        _bounded_context(tmp_path).wrap_socket(ours, server_side=True)


def test_a_certificate_that_became_unreadable_does_not_stop_what_is_served(tmp_path, monkeypatch):
    certificate = ensure_certificate(Settings(home=tmp_path))
    monkeypatch.setattr("misentinel.site.serving.tls.server_context", lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    reloading = ReloadingContext(certificate)
    context = reloading.current()
    certificate.chain.unlink()
    assert reloading.current() is context


def _bounded_context(home: Path) -> ssl.SSLContext:
    certificate = ensure_certificate(Settings(home=home))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain)
    context.sslsocket_class = BoundedSocket
    return context


def _bounded_pair(home: Path) -> tuple[BoundedSocket, ssl.SSLSocket]:
    context = _bounded_context(home)
    ours, theirs = socket.socketpair()
    trusting = ssl.create_default_context(cafile=home / "tls" / "authority.pem")
    made: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: made.append(trusting.wrap_socket(theirs, server_hostname="localhost")))
    thread.start()
    server = context.wrap_socket(ours, server_side=True)
    thread.join(timeout=10)
    return server, made[0]


class _default_server:
    """A TLS server with the suites that Python chooses, as a process that ends with the block."""

    _PROGRAM = (
        "import http.server, ssl, sys\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n"
        "context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)\n"
        "context.load_cert_chain(sys.argv[1])\n"
        "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )

    def __init__(self, chain: Path) -> None:
        self._chain = chain

    def __enter__(self) -> int:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM, self._chain],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return int(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
