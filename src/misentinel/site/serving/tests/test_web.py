"""Every answer of the web server: HSTS, a request id, no tell-tale; and peers that mean ill."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time

import pytest

from misentinel.site.serving.tests.conftest import Served, read_all, serving, wait_until_served
from misentinel.site.serving.worker import HSTS

STATUSES = (200, 201, 204, 301, 304, 400, 401, 403, 404, 405, 413, 422, 429, 500, 503)
MALFORMED = {
    b"NONSENSE\r\n\r\n": 400,
    b"GET\r\n\r\n": 400,
    b"GET / HTTP/9.9\r\n\r\n": 400,
    b"g\xfft / HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nNo colon\r\n\r\n": 400,
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n": 414,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 70 + b"\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 9000 + b"\r\n\r\n": 431,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: no\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gopher\r\n\r\n": 501,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
}


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def headers(answer: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in answer.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return found


@pytest.mark.parametrize("status", STATUSES)
def test_hsts_is_on_every_answer_of_the_application(served: Served, status: int):
    answer = served.send(get(f"/status/{status}"))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert headers(answer)["strict-transport-security"] == [HSTS]
    assert "server" not in headers(answer)


@pytest.mark.parametrize(("request_bytes", "status"), MALFORMED.items())
def test_hsts_is_on_every_refusal_of_what_is_not_http(served: Served, request_bytes: bytes, status: int):
    answer = served.send(request_bytes)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    found = headers(answer)
    assert found["strict-transport-security"] == [HSTS]
    assert "server" not in found
    assert found["content-type"] == ["application/problem+json"]
    body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert body["status"] == status
    assert body["request_id"] == found["x-request-id"][0]


@pytest.mark.parametrize("path", ["/breaks", "/disk"])
def test_a_failure_shows_no_traceback_and_is_found_in_the_log_by_its_request_id(served: Served, path: str):
    answer = served.send(get(path))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert headers(answer)["strict-transport-security"] == [HSTS]
    assert b"Traceback" not in answer
    assert b"asha" not in answer
    request_id = json.loads(answer.split(b"\r\n\r\n", 1)[1])["request_id"]
    lines = [json.loads(line) for line in (served.home / "log" / "web.log").read_text().splitlines()]
    line = next(line for line in lines if request_id in line.get("message", ""))
    assert "small_application.py" in line["traceback"]


def test_the_log_holds_no_address_of_a_person_no_card_number_and_no_query(served: Served):
    served.send(get("/breaks?email=asha@example.com&token=s3cr3t"))
    served.send(get("/people/asha@example.com?token=s3cr3t"))
    logged = "".join(path.read_text() for path in (served.home / "log").iterdir())
    for personal in ("asha", "4111", "s3cr3t", "/people/"):
        assert personal not in logged


def test_the_access_log_is_one_json_object_an_answer(served: Served):
    served.send(get("/status/404"))
    line = json.loads((served.home / "log" / "access.log").read_text().splitlines()[-1])
    assert line["status"] == 404
    assert line["method"] == "GET"
    assert re.fullmatch(r"[0-9a-f-]{36}", line["request_id"])
    assert line["milliseconds"] >= 0


def test_plain_http_on_the_https_port_is_not_answered(served: Served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(get("/"))
        answer = read_all(connection)
    assert b"HTTP" not in answer


def test_a_connection_answers_several_requests_and_pipelined_ones(served: Served):
    one = b"GET /status/200 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = served.send(one + one + get("/status/404"))
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.count(b"HTTP/1.1 404 ") == 1
    with served.connect() as connection:
        for _ in range(3):
            connection.sendall(one)
            received = b""
            while not received.endswith(b"hello"):
                received += connection.recv(4096)
            assert received.startswith(b"HTTP/1.1 200 ")


def test_a_message_whose_length_is_in_doubt_is_refused(served: Served):
    """What one server takes for the end of a message and another does not would be read as a second request."""
    smuggled = b"GET /status/204 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for headers in (
        b"Content-Length: 5\r\nContent-Length: 50\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5\r\n: x\r\n",
        b"Content-Length : 5\r\n",
    ):
        answer = served.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\nhello" + smuggled)
        assert re.match(rb"HTTP/1.1 (400|501) ", answer), (headers, answer[:60])
        assert b" 204 " not in answer, headers


def test_a_large_body_arrives_whole(served: Served):
    body = os.urandom(400_000)
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert served.send(request + body).split(b"\r\n\r\n", 1)[1] == body


def test_silent_peers_do_not_stop_others(tmp_path):
    with serving(tmp_path, threads=2) as running:
        wait_until_served(running)
        silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(50)]
        started = time.monotonic()
        assert running.send(get("/status/200")).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - started < 8
        for connection in silent:
            connection.close()


def test_peers_that_shake_hands_and_say_nothing_stop_nobody(served: Served):
    silent = [served.connect() for _ in range(12)]  # three times as many as there are threads
    connection = served.connect()
    connection.settimeout(8)  # less than a thread would wait for one of them
    connection.sendall(get("/status/204"))
    assert read_all(connection).startswith(b"HTTP/1.1 204 ")
    for one in silent:
        one.close()


def test_peers_that_do_not_hang_up_stop_nobody(served: Served):
    """Each has its answer and keeps its side open; the event loop must not wait for any of them."""
    held = []
    for _ in range(12):
        connection = served.connect()
        connection.sendall(get("/status/200"))
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
        held.append(connection)
    connection = served.connect()
    connection.settimeout(8)  # less than one of them could hold up the loop, let alone twelve in a row
    connection.sendall(get("/status/204"))
    assert read_all(connection).startswith(b"HTTP/1.1 204 ")
    for connection in held:
        connection.close()


def test_without_our_openssl_settings_nothing_is_served(tmp_path):
    plain = {name: value for name, value in os.environ.items() if name != "OPENSSL_CONF"}
    with serving(tmp_path, environment=plain) as running:
        try:
            _, said = running.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            pytest.fail("it serves although TLS_AES_128_GCM_SHA256 would be offered")
        assert running.process.returncode == 78
        assert "TLS_AES_128_GCM_SHA256" in said
        assert "Traceback" not in said
