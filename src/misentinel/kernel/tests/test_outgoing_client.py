"""The client against servers that mean harm: rebinding names, foreign certificates, redirects, endless answers."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from misentinel.kernel import settings
from misentinel.kernel.errors import Misconfigured, Unavailable
from misentinel.kernel.outgoing import NotReachable, Outgoing, fetch
from misentinel.site.serving.authority import ensure_certificate

Handler = Callable[[ssl.SSLSocket, bytes], None]


@pytest.fixture(scope="module")
def certificate():
    return ensure_certificate(settings.load())


@contextmanager
def serving(certificate, handle: Handler) -> Iterator[tuple[int, list[bytes]]]:
    """Yields the port of a TLS server on the loopback address and the requests that came."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    seen: list[bytes] = []
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not over.is_set():
            try:
                raw, _peer = listener.accept()
                raw.settimeout(5)
                with context.wrap_socket(raw, server_side=True) as connection:
                    if request := connection.recv(65536):
                        seen.append(request)
                        handle(connection, request)
            except OSError:
                continue  # nobody came, or the client refused us, which is what most of these tests want

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield listener.getsockname()[1], seen
        over.set()
        thread.join(timeout=10)


def answering(text: str) -> Handler:
    def handle(connection: ssl.SSLSocket, request: bytes) -> None:
        connection.sendall(text.encode())
        connection.unwrap()

    return handle


def going_out(certificate, port: int, *, host: str = "localhost", resolver=None) -> Outgoing:
    resolver = resolver or (lambda host, port: ["127.0.0.1"])
    return Outgoing(frozenset({f"{host}:{port}"}), str(certificate.authority), resolver)


JSON = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"keys": [1]}'


def test_a_named_host_answers_over_tls_with_the_name_verified(certificate) -> None:
    with serving(certificate, answering(JSON)) as (port, seen):
        answer = going_out(certificate, port).fetch(f"https://localhost:{port}/jwks?a=b", headers={"X-Own": "1"})

    assert (answer.status, answer.json(), answer.headers["content-type"]) == (200, {"keys": [1]}, "application/json")
    lines = seen[0].decode().lower().split("\r\n")
    assert lines[0] == "get /jwks?a=b http/1.1"
    assert {f"host: localhost:{port}", "accept-encoding: identity", "connection: close", "x-own: 1"} <= set(lines)


def test_a_name_is_resolved_once_so_that_it_cannot_rebind(certificate) -> None:
    """The name server answers with a permitted address first and with the metadata service ever after."""
    answers = iter([["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers, ["169.254.169.254"])

    with serving(certificate, answering(JSON)) as (port, _):
        outgoing = going_out(certificate, port, resolver=rebinding)
        assert outgoing.fetch(f"https://localhost:{port}/").status == 200
        assert asked == ["localhost"]
        with pytest.raises(NotReachable):
            outgoing.fetch(f"https://localhost:{port}/")


def test_the_same_host_is_not_reached_unless_the_operator_names_it(certificate, monkeypatch) -> None:
    with serving(certificate, answering(JSON)) as (port, seen):
        url = f"https://localhost:{port}/"
        with pytest.raises(NotReachable):
            fetch(url)
        monkeypatch.setenv("MISENTINEL_OUTGOING_PRIVATE_HOSTS", f"other.example.com, localhost:{port}")
        monkeypatch.setenv("MISENTINEL_OUTGOING_AUTHORITY", str(certificate.authority))
        assert fetch(url).status == 200
    assert len(seen) == 1


def test_a_redirect_is_not_followed(certificate) -> None:
    away = "HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    with serving(certificate, answering(away)) as (port, seen):
        answer = going_out(certificate, port).fetch(f"https://localhost:{port}/")
    assert (answer.status, answer.headers["location"]) == (302, "https://169.254.169.254/latest")
    assert len(seen) == 1


def test_a_certificate_for_another_name_is_refused_before_anything_is_said(certificate) -> None:
    with serving(certificate, answering(JSON)) as (port, seen):
        outgoing = going_out(certificate, port, host="idp.example.com")
        with pytest.raises(Unavailable, match="does not prove who it is"):
            outgoing.fetch(f"https://idp.example.com:{port}/", headers={"Authorization": "Bearer secret"})
    assert seen == []


def test_a_certificate_from_an_unknown_authority_is_refused(certificate) -> None:
    with serving(certificate, answering(JSON)) as (port, seen):
        outgoing = Outgoing(frozenset({f"localhost:{port}"}), resolver=lambda host, port: ["127.0.0.1"])
        with pytest.raises(Unavailable, match="does not prove who it is"):
            outgoing.fetch(f"https://localhost:{port}/")
    assert seen == []


@pytest.mark.parametrize("framing", ["Content-Length: 5000\r\n\r\n", "Connection: close\r\n\r\n"])
def test_an_answer_larger_than_permitted_is_refused(certificate, framing: str) -> None:
    with (
        serving(certificate, answering(f"HTTP/1.1 200 OK\r\n{framing}{'x' * 5000}")) as (port, _),
        pytest.raises(Unavailable, match="more than 1000 bytes"),
    ):
        going_out(certificate, port).fetch(f"https://localhost:{port}/", largest=1000)


def test_an_answer_that_drips_ends_at_the_deadline(certificate) -> None:
    """A byte every 20 ms never lets a socket's own timeout pass."""

    def drip(connection: ssl.SSLSocket, request: bytes) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    with serving(certificate, drip) as (port, _):
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"within 0\.4 seconds"):
            going_out(certificate, port).fetch(f"https://localhost:{port}/", seconds=0.4)
        assert time.monotonic() - began < 3


def test_a_body_that_is_cut_short_is_an_error_and_not_the_end(certificate) -> None:
    def cut(connection: ssl.SSLSocket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        connection.shutdown(socket.SHUT_RDWR)  # no close_notify: anybody on the way can do this

    for handler in (cut, answering("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf of")):
        with serving(certificate, handler) as (port, _), pytest.raises(Unavailable):
            going_out(certificate, port).fetch(f"https://localhost:{port}/")


def test_proxies_of_the_environment_are_not_used(certificate, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with serving(certificate, answering(JSON)) as (port, _):
            assert going_out(certificate, port).fetch(f"https://localhost:{port}/").status == 200
        proxy.settimeout(0.05)
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_a_header_cannot_carry_another(certificate) -> None:
    with serving(certificate, answering(JSON)) as (port, seen):
        outgoing = going_out(certificate, port)
        for headers in ({"X-Own": "1\r\nHost: evil.example.com"}, {"Host": "evil.example.com"}):
            with pytest.raises(ValueError):
                outgoing.fetch(f"https://localhost:{port}/", headers=headers)
    assert b"evil" not in b"".join(seen)


def test_what_does_not_speak_tls_or_is_not_there_is_told_in_a_sentence(certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be reached"):
        going_out(certificate, port).fetch(f"https://localhost:{port}/")


def test_a_wrong_authority_file_stops_with_the_setting_named(certificate, tmp_path: Path) -> None:
    outgoing = Outgoing(frozenset({"localhost"}), str(tmp_path / "none.pem"), lambda host, port: ["127.0.0.1"])
    with pytest.raises(Misconfigured, match="outgoing_authority"):
        outgoing.fetch("https://localhost/")
