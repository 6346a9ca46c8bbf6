"""Receivers over TLS on the loopback address: one that takes streams, one that answers requests."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, bytes]


@dataclass
class Streams:
    """What came over each connection that was ended properly. The behaviour may change while it runs."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)
    behaviour: str = "answer"
    """`answer` the end, just `close`, `reset`, or `hang`."""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def data(self) -> bytes:
        return b"".join(self.received)


@contextmanager
def streams(certificate, port: int = 0) -> Iterator[Streams]:
    context = _context(certificate)
    state = Streams()

    def serve(listener: socket.socket) -> None:
        while not state.over.is_set():
            try:
                raw, _peer = listener.accept()
            except OSError:
                continue  # nobody came
            threading.Thread(target=take, args=[raw], daemon=True).start()

    def take(raw: socket.socket) -> None:
        raw.settimeout(10)
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                if state.behaviour == "hang":
                    state.over.wait(5)
                    return
                got = b""
                while data := connection.recv(65536):
                    got += data
                if state.behaviour == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                state.received.append(got)
                if state.behaviour == "answer":
                    connection.unwrap()
        except OSError:
            return  # the sender refused us or went away, which is what some tests want

    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(0.05)
        state.port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.over.set()
            thread.join(timeout=10)


@dataclass
class Requests:
    """What was posted, and how it is answered; `answer` gets the path, the headers and the body."""

    answer: Callable[[str, dict[str, str], bytes], Answer]
    port: int = 0
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for _, body in self.received for line in body.splitlines()]


@contextmanager
def requests(certificate, answer: Callable[[str, dict[str, str], bytes], Answer]) -> Iterator[Requests]:
    state = Requests(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = state.answer(self.path, headers, body)
            if status < 300:
                state.received.append((headers, body))
            self.send_response(status)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *arguments: object) -> None:
            return None

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            return None  # the sender went away in the middle, which is what some tests want

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = _context(certificate).wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def acknowledging(path: str, headers: dict[str, str], body: bytes) -> Answer:
    """Takes everything, as the guide asks of a receiver of NDJSON."""
    return 200, json.dumps({"acknowledged": int(headers["x-misentinel-last"])}).encode()


def frames(data: bytes) -> list[bytes]:
    """The messages in a stream of RFC 5425 frames. Raises `ValueError` for what is none."""
    found = []
    while data:
        length, space, rest = data.partition(b" ")
        size = int(length)
        if not space or len(rest) < size:
            raise ValueError("a frame is cut")
        found.append(rest[:size])
        data = rest[size:]
    return found


def _context(certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context
