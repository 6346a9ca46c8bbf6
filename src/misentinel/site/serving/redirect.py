"""Plain HTTP: a redirect to the public HTTPS URL, whatever is asked, and nothing else.

Promises that the target's host is the configured one (the request's Host is never looked at), that a peer can
send 8 KB and stay five seconds, and that nothing a peer sends is logged or kept. RFC 6797 section 7.2: no
HSTS here. Started as `python -m misentinel.site.serving.redirect --fd N --to URL` by the supervisor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import socket
import sys
from pathlib import Path

from misentinel.site.serving.children import die_with_parent
from misentinel.site.serving.services import Role
from misentinel.site.serving.status import serve_inherited

REQUEST_BYTES = 8192
SECONDS = 5.0
PEERS = 512
# RFC 9112 section 3.2.1: what a browser asks for is an absolute path, maybe with a query.
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} (/[!-~]{0,2048}) HTTP/1\.[01]\r?\n")


async def serve(listener: socket.socket, to: str) -> None:
    """Redirect whoever connects to `listener`, until cancelled. `to` is the URL without a trailing slash."""
    peers = asyncio.Semaphore(PEERS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peers.locked():
            writer.transport.abort()
            return
        async with peers:
            with contextlib.suppress(OSError):
                try:
                    async with asyncio.timeout(SECONDS):
                        await _redirect(reader, writer, to)
                except TimeoutError:
                    writer.transport.abort()
                finally:
                    writer.close()

    server = await asyncio.start_server(answer, sock=listener, limit=REQUEST_BYTES)
    async with server:
        await server.serve_forever()


def redirect(request: bytes, to: str) -> bytes:
    """Returns the answer to `request`: the same path where it asked for one, the front page otherwise."""
    match = _REQUEST_LINE.match(request)
    location = to + (match[1].decode("ascii") if match else "/")
    return (
        "HTTP/1.1 308 Permanent Redirect\r\n"
        f"Location: {location}\r\n"
        "Content-Length: 0\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")


async def _redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str) -> None:
    try:
        request = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        request = error.partial
    except asyncio.LimitOverrunError:
        request = b""
    writer.write(redirect(request, to))
    await writer.drain()
    writer.write_eof()
    # Closing with unread bytes would reset the connection and could take the answer with it.
    left = 64 * REQUEST_BYTES
    while left > 0 and (read := await reader.read(REQUEST_BYTES)):
        left -= len(read)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="misentinel-redirect", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the bound socket that was inherited")
    parser.add_argument("--to", required=True, help="the public HTTPS URL")
    parser.add_argument("--status-fd", type=int, default=-1, help="the bound socket on which to say that it is well")
    parser.add_argument("--home", type=Path, default=Path("var"), help="where the certificates of the services are")
    given = parser.parse_args(arguments)
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve_inherited(given.status_fd, given.home, Role.REDIRECT)
    listener = socket.socket(fileno=given.fd)
    with contextlib.suppress(SystemExit):
        asyncio.run(serve(listener, given.to))
    return 0


if __name__ == "__main__":
    sys.exit(main())
