"""Sockets that are bound before anything is started: a busy port is told at once, and outlives a crashed server."""

from __future__ import annotations

import errno
import socket

from misentinel.kernel.errors import Misconfigured, Unavailable


def listen(address: str, port: int, setting: str) -> socket.socket:
    """Returns a listening socket. Raises `Unavailable` naming port and setting, `Misconfigured` for a bad address."""
    if not 0 <= port <= 65535:
        raise Misconfigured(f"Setting {setting} must be a port between 1 and 65535, not {port}.")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise Misconfigured(f"Setting bind must be an address of this machine, not {address!r}.") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _told(error, address, port, setting) from error
    return listener


def _told(error: OSError, address: str, port: int, setting: str) -> Exception:
    variable = f"MISENTINEL_{setting.upper()}"
    if error.errno == errno.EADDRINUSE:
        return Unavailable(f"Port {port} on {address} is in use by another program. Stop it, or set {variable}.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Misconfigured(f"This user may not listen on port {port}. Set {variable} to 1024 or more.")
    if error.errno == errno.EADDRNOTAVAIL:
        return Misconfigured(f"This machine has no address {address}. Set MISENTINEL_BIND to one that it has.")
    return Unavailable(f"Port {port} on {address} cannot be listened on: {error.strerror}.")
