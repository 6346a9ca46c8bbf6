"""The client: resolve, look at every address, connect to one of them, verify the name, read a bounded answer.

The connection is made to the address itself, so a name that resolves differently a moment later changes nothing (DNS
rebinding). No redirect is followed, no proxy of the environment is used, nothing is decompressed.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from misentinel.kernel import settings
from misentinel.kernel.errors import Misconfigured, Unavailable
from misentinel.kernel.outgoing.addresses import Address, is_private, is_public
from misentinel.kernel.outgoing.urls import NotReachable, Target, find_address, parse_url

LARGEST_ANSWER = 1024 * 1024
SECONDS = 10.0
_NOT_THE_CALLERS = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding"}
_MOST_ADDRESSES = 4  # tried one after another; all of them share the seconds

Resolver = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, redirects included as they are. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON. Raises `Unavailable` for one that is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unavailable("The other side did not answer with JSON.") from None


def resolve(host: str, port: int) -> list[str]:
    """Returns every address of `host`, IPv4 and IPv6."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How this installation goes out. `private_hosts` and `authority` are the operator's, never a user's."""

    private_hosts: frozenset[str] = frozenset()
    authority: str = ""
    resolver: Resolver = resolve

    @classmethod
    def from_settings(cls) -> Outgoing:
        """As the settings in force say."""
        found = settings.load()
        hosts = (host.strip().lower() for host in found.outgoing_private_hosts.split(","))
        return cls(frozenset(host for host in hosts if host), found.outgoing_authority)

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = SECONDS,
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """Sends one request and returns its answer, whatever its status, within `seconds` and `largest` bytes.

        Raises `NotReachable` for a URL that leads nowhere public, `Unavailable` when the other side does not answer
        properly in time. (The system's resolver has time limits of its own, which come on top.)
        """
        target = parse_url(url, self.private_hosts)
        with self.connected(target, seconds) as secured:
            return _exchange(secured, target, method, dict(headers or {}), body, seconds, largest)

    @contextmanager
    def connected(self, target: Target, seconds: float) -> Iterator[ssl.SSLSocket]:
        """Yields a connection to `target`, whose certificate proved its name, for `seconds` in all.

        Raises as `fetch` does, also for what goes wrong inside the block.
        """
        addresses = self.addresses(target)
        context = self._tls()
        timer = _Deadline(seconds)
        try:
            with timer, _connected(addresses, target.port, seconds, timer) as raw:
                timer.watch(raw)
                # A connection that is cut is an error, never the end of a body (TLS truncation).
                with context.wrap_socket(raw, server_hostname=target.host, suppress_ragged_eofs=False) as secured:
                    yield secured
            if timer.passed:
                raise TimeoutError
        except ssl.SSLCertVerificationError as error:
            told = f"The certificate of {target.host} does not prove who it is: {error.verify_message}."
            raise Unavailable(told) from error
        except (OSError, http.client.HTTPException) as error:
            if timer.passed:
                raise Unavailable(f"{target.host} did not answer within {seconds:g} seconds.") from error
            raise Unavailable(f"{target.host} cannot be reached or does not speak as it should.") from error

    def addresses(self, target: Target) -> list[Address]:
        """Returns the addresses to connect to. Raises `NotReachable` if even one of them is not permitted."""
        literal = find_address(target.host)
        try:
            spelt = [target.host] if literal else self.resolver(target.host, target.port)
            found: list[Address] = [ip_address(address) for address in spelt]
        except (OSError, ValueError):
            found = []
        if not found or not all(is_public(one) or (target.named and is_private(one)) for one in found):
            raise NotReachable(f"{target.host} has no public address, so it is not called.")
        return found[:_MOST_ADDRESSES]

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.authority:
            try:
                context.load_verify_locations(cafile=self.authority)
            except OSError as error:
                told = f"Setting outgoing_authority names {self.authority}, which is no readable PEM file."
                raise Misconfigured(told) from error
        return context


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
    largest: int = LARGEST_ANSWER,
) -> Answer:
    """`Outgoing.fetch` as the settings in force say."""
    return Outgoing.from_settings().fetch(
        url, method=method, headers=headers, body=body, seconds=seconds, largest=largest
    )


class _Deadline:
    """Ends the connection when the time is over, however slowly the other side drips: a socket's own timeout starts
    again with each byte.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watched is not None:
            self._watched.close()

    def watch(self, connection: socket.socket) -> None:
        self._watched = connection.dup()  # of its own: wrapping for TLS detaches the first
        if self.passed:
            self._end()

    def _end(self) -> None:
        self.passed = True
        if self._watched is not None:
            try:
                self._watched.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended already


@contextmanager
def _connected(addresses: list[Address], port: int, seconds: float, timer: _Deadline) -> Iterator[socket.socket]:
    error: OSError = OSError("no address")
    for address in addresses:
        if timer.passed:
            break
        try:
            connection = socket.create_connection((str(address), port), timeout=seconds / len(addresses))
        except OSError as failure:
            error = failure
            continue
        with connection:
            connection.settimeout(seconds)
            yield connection
        return
    raise error


def _exchange(
    secured: ssl.SSLSocket,
    target: Target,
    method: str,
    headers: dict[str, str],
    body: bytes | None,
    seconds: float,
    largest: int,
) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=seconds)
    connection.sock = secured  # made already: this class would resolve the name again
    given = {name.lower(): value for name, value in headers.items()}
    if taken := given.keys() & _NOT_THE_CALLERS:
        raise ValueError(f"{', '.join(sorted(taken))}: not the caller's to set")
    connection.request(method, target.path, body, {"user-agent": "MiSentinel", **given, **_own_headers(target)})
    response = connection.getresponse()
    content = response.read(largest + 1)
    if len(content) > largest:
        raise Unavailable(f"{target.host} answered with more than {largest} bytes.")
    if response.length:
        raise http.client.IncompleteRead(content, response.length)
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


def _own_headers(target: Target) -> dict[str, str]:
    return {"host": target.authority, "accept-encoding": "identity", "connection": "close"}
