"""Durable events a second over HTTPS in batches of 1, 100 and 500, beside raw inserts of the same rows.

Ours: the web server as it is run (two processes, TLS, fsync on), a write key, events of about 500 bytes of 10,000 known
people. The senders are a process of their own that only writes prepared bytes and reads answers; the worker is not
running. The reference: the rows that this made, inserted again into a table with the same columns and indexes, by
as many connections, as prepared multi-row INSERT statements of the same size, one commit each.

Prints three lines of JSON: {metric, ours, reference, ratio, target}; `ratio` is oriented so that higher is better.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import ground
import orjson

PEOPLE = 10_000
SECONDS = 10.0
TURNS = 4
SENDERS = 8
PLANS = {1: 12_000, 100: 250_000, 500: 250_000}  # batch size: events prepared
TARGET_PER_SECOND, TARGET_RATIO = 15_000, 0.35


def main() -> None:
    if sys.argv[1:2] == ["send"]:
        return send(Path(sys.argv[2]))
    with ground.prepared() as home:
        from misentinel.customers.actions import create_customer
        from misentinel.kernel.actor import system
        from misentinel.store.queries import get_store
        from misentinel.teammates.actions import create_credential
        from misentinel.teammates.contracts import CredentialKind

        customer = create_customer(system("bench"), "Acme", slug="acme")
        store = get_store(customer.id)
        key = create_credential(system("bench"), customer.id, CredentialKind.WRITE_KEY, name="bench").secret
        with served(home) as port:
            measure(home, port, key, identifies(), 500, seconds=60)
            for size, count in PLANS.items():
                items = tracks(count)
                made, took, reference = 0, 0.0, []
                for turn in range(TURNS):  # by turns, so that whatever else the machine does hits both alike
                    stored_before = stored(store)
                    ours = measure(home, port, key, items[turn::TURNS], size, seconds=SECONDS / TURNS)
                    fresh = stored(store) - stored_before
                    assert fresh == ours["events"], (
                        f"{ours['events']} events were answered with 200, {fresh} are stored"
                    )
                    made, took = made + fresh, took + ours["seconds"]
                    reference.append(raw_inserts(store, size, fresh))
                per_second, reference = made / took, statistics.harmonic_mean(reference)
                ground.report(
                    f"durable events per second over HTTPS, batches of {size}; reference: raw multi-row inserts",
                    ours=per_second, reference=reference, ratio=per_second / reference,
                    target=f">= {TARGET_PER_SECOND} per second, ratio >= {TARGET_RATIO}" if size == 100 else "none",
                )  # fmt: skip
    return None


@contextlib.contextmanager
def served(home: Path) -> Iterator[int]:
    """Runs the web server on a free port, with the settings that an installation has."""
    from misentinel.kernel import settings
    from misentinel.site.serving import tls
    from misentinel.site.serving.authority import ensure_certificate

    ensure_certificate(settings.load())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "misentinel.site.serving.web", "--fd", str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], env=tls.environment(os.environ))
    try:
        wait_until_served(home, port)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_until_served(home: Path, port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), connect(home / "tls" / "authority.pem", port) as connection:
            connection.sendall(b"GET /v1/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if b" 405 " in connection.recv(4096):
                return
        time.sleep(0.1)
    raise TimeoutError("the web server did not start within 30 s")


def connect(authority: Path, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=authority)
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="localhost")


def identifies() -> list[bytes]:
    return [
        orjson.dumps(
            {
                "type": "identify", "userId": f"user-{n}", "messageId": str(uuid.uuid4()),
                "traits": {"email": f"user-{n}@example.com", "name": f"Person {n}", "plan": "pro", "seats": n % 50},
            }
        )
        for n in range(PEOPLE)
    ]  # fmt: skip


def tracks(count: int) -> list[bytes]:
    """Events as `segment-analytics-python` makes them, of about 500 bytes."""
    chance = random.Random(count)
    at = datetime.now(UTC).isoformat()
    return [
        orjson.dumps(
            {
                "integrations": {}, "anonymousId": None, "timestamp": at, "type": "track",
                "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
                "userId": f"user-{chance.randrange(PEOPLE)}", "event": "Plan selected", "messageId": str(uuid.uuid4()),
                "properties": {
                    "plan": chance.choice(["free", "pro", "enterprise"]), "price": chance.randrange(100, 9900) / 100,
                    "currency": "GBP", "seats": chance.randrange(1, 50), "trial": chance.random() < 0.5,
                    "coupon": f"AUTUMN-{chance.randrange(1000)}", "renews": "2027-01-31",
                    "url": "https://www.example.com/pricing?from=mail",
                },
            }
        )
        for _ in range(count)
    ]  # fmt: skip


def measure(home: Path, port: int, key: str, items: list[bytes], size: int, *, seconds: float) -> dict[str, float]:
    """Has the senders' process send `items` for at most `seconds`; returns what it counted."""
    basic = base64.b64encode(f"{key}:".encode()).decode()
    work = home / "bench"
    work.mkdir(exist_ok=True)
    with (work / "requests").open("wb") as file:
        for start in range(0, len(items), size):
            body = b'{"batch":[' + b",".join(items[start : start + size]) + b"]}"
            head = (
                f"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            request = head.encode() + body
            file.write(len(request).to_bytes(4, "big") + len(items[start : start + size]).to_bytes(4, "big") + request)
    plan = {"authority": str(home / "tls" / "authority.pem"), "port": port, "seconds": seconds}
    (work / "plan").write_text(json.dumps(plan))
    done = subprocess.run(
        [sys.executable, __file__, "send", str(work)], stdout=subprocess.PIPE, check=True, timeout=seconds + 120
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def send(work: Path) -> None:
    """The senders' process: prepared requests over connections that stay open, one after the other on each."""
    plan = json.loads((work / "plan").read_text())
    data = (work / "requests").read_bytes()
    requests, at = [], 0
    while at < len(data):
        length, count = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")
        requests.append((count, memoryview(data)[at + 8 : at + 8 + length]))
        at += 8 + length
    waiting, lock, counted, faults = iter(requests), threading.Lock(), [0], []
    connections = [connect(Path(plan["authority"]), plan["port"]) for _ in range(SENDERS)]
    started = time.perf_counter()
    deadline = started + plan["seconds"]

    def run(connection: ssl.SSLSocket) -> None:
        while time.perf_counter() < deadline:
            with lock:
                count, request = next(waiting, (0, None))
            if request is None:
                return
            connection.sendall(request)
            answer = read_answer(connection)
            if not answer.startswith(b"HTTP/1.1 200 ") or answer.count(b'"accepted"') != count:
                faults.append(answer[:600].decode(errors="replace"))
                return
            with lock:
                counted[0] += count

    threads = [threading.Thread(target=run, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        sys.exit(f"{len(faults)} requests were not stored whole, the first: {faults[0]}")
    print(json.dumps({"events": counted[0], "seconds": time.perf_counter() - started}))


def read_answer(connection: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    rest = [body]
    missing = length - len(body)
    while missing > 0:
        part = connection.recv(65536)
        if not part:
            break
        rest.append(part)
        missing -= len(part)
    return head + b"\r\n\r\n" + b"".join(rest)


def stored(store: object) -> int:
    from misentinel.events.queries import count_events

    return count_events(store)


def raw_inserts(store: object, size: int, count: int) -> float:
    """Returns the rows a second that PostgreSQL takes when it is handed nothing but finished statements."""
    import psycopg

    from misentinel.store.clusters import get_cluster

    dsn, database = get_cluster("main").dsn, store.alias.partition(":")[2]
    with psycopg.connect(dsn, dbname=database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS reference")
        connection.execute("CREATE TABLE reference (LIKE events_event INCLUDING ALL)")
        cursor = psycopg.ClientCursor(connection)
        rows = cursor.execute(
            "SELECT id, message_token, type, name, person_id, at, received_at, sealed, match::text"
            " FROM events_event ORDER BY id DESC LIMIT %s",
            [min(count, 100_000 if size > 1 else 12_000)],
        ).fetchall()
        one = "(%s,%s,%s,%s,%s,%s,%s,%s,%s)"
        statements = []
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            text = "INSERT INTO reference VALUES " + ",".join([one] * len(some))
            statements.append(cursor.mogrify(text, [value for row in some for value in row]))
    waiting, lock = iter(statements), threading.Lock()

    def run(connection: psycopg.Connection) -> None:
        while True:
            with lock:
                statement = next(waiting, None)
            if statement is None:
                return
            connection.execute(statement)

    connections = [psycopg.connect(dsn, dbname=database, autocommit=True) for _ in range(SENDERS)]
    threads = [threading.Thread(target=run, args=(connection,)) for connection in connections]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    per_second = len(rows) / (time.perf_counter() - started)
    for connection in connections:
        connection.close()
    with psycopg.connect(dsn, dbname=database, autocommit=True) as connection:
        connection.execute("DROP TABLE reference")
    return per_second


if __name__ == "__main__":
    main()
