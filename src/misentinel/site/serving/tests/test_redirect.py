"""Plain HTTP: a redirect whatever is asked, to where we say and not to where the request says."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from misentinel.site.serving.redirect import redirect
from misentinel.site.serving.tests.conftest import read_all

TO = "https://mail.example.com:8443"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "misentinel.site.serving.redirect",
                "--fd",
                str(listener.fileno()),
                "--to",
                TO,
            ],
            pass_fds=[listener.fileno()],
        )
        yield listener.getsockname()[1]
        process.terminate()
        assert process.wait(timeout=10) == 0


def ask(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


@pytest.mark.parametrize(
    ("request_line", "location"),
    [
        (b"GET / HTTP/1.1", "/"),
        (b"GET /people?q=a HTTP/1.1", "/people?q=a"),
        (b"POST /v1/batch HTTP/1.1", "/v1/batch"),
        (b"GET //evil.example.com/ HTTP/1.1", "//evil.example.com/"),
        (b"GET @evil.example.com HTTP/1.1", "/"),
        (b"GET http://evil.example.com/ HTTP/1.1", "/"),
        (b"OPTIONS * HTTP/1.1", "/"),
        (b"GET /" + b"a" * 4000 + b" HTTP/1.1", "/"),
        (b"GET /\r\x0bX: y HTTP/1.1", "/"),
        (b"\x16\x03\x01\x00\xa5", "/"),
        (b"", "/"),
    ],
)
def test_every_request_is_redirected_and_the_host_it_names_is_not_looked_at(port, request_line, location):
    answer = ask(port, request_line + b"\r\nHost: evil.example.com\r\nX-Forwarded-Host: evil.example.com\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 308 Permanent Redirect"
    assert lines[1] == f"Location: {TO}{location}"
    assert body == b""
    assert "strict-transport-security" not in head.decode().lower()


def test_a_request_too_large_is_still_redirected(port):
    answer = ask(port, b"GET /" + b"a" * 100_000)
    assert answer.startswith(b"HTTP/1.1 308 ")
    assert f"Location: {TO}/\r\n".encode() in answer


def test_a_peer_that_says_nothing_is_sent_away(port):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HT")
        assert read_all(connection) == b""
    assert 4 < time.monotonic() - started < 30


def test_many_silent_peers_do_not_keep_others_from_the_redirect(port):
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    assert ask(port, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 308 ")
    for connection in silent:
        connection.close()


def test_nothing_a_peer_sends_can_add_a_header():
    for smuggled in (b"GET /\r\nSet-Cookie:a=b HTTP/1.1\r\n", b"GET /\nSet-Cookie:a=b HTTP/1.1\r\n"):
        assert b"Set-Cookie" not in redirect(smuggled, TO)
