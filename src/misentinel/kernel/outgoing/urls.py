"""What a URL that a user set may look like. One spelling for one host; everything that two parsers could read
differently is refused rather than understood.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from misentinel.kernel.errors import Invalid

LONGEST = 2048
_VISIBLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
# A last label like this makes a browser and the C library read the whole name as a number, so an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class NotReachable(Invalid):
    """The URL is not one that this program calls. Says the same for a name that does not exist and for one inside."""

    code = "not_reachable"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `named` means that the operator vouches for the host and port."""

    host: str
    port: int
    path: str
    named: bool

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def parse_url(url: str, private_hosts: Collection[str] = ()) -> Target:
    """Returns where `url` leads. `private_hosts` are `host` (port 443) or `host:port`.

    Raises `NotReachable` for what is not plainly an HTTPS URL of one host. That alone reaches nothing and proves
    nothing about the host's addresses: `fetch` looks at those each time.
    """
    if len(url) > LONGEST or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise NotReachable(f"A URL has at most {LONGEST} characters, all visible ASCII; write another script as xn--….")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise NotReachable("This is not a URL; it should be like https://id.example.com/path.") from None
    if parts.scheme != "https":
        raise NotReachable("The URL must begin with https://.")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise NotReachable("The URL must hold a host alone: no name or password, nothing escaped.")
    if "#" in url:
        raise NotReachable("The URL must not hold a fragment (#…).")
    if parts.netloc.endswith(":") or port == 0:
        raise NotReachable("The URL's port must be from 1 to 65535, or left out.")
    port = port or 443
    named = is_named(host, port, private_hosts)
    if not _is_host(host, named):
        raise NotReachable("The URL must hold the full name of a host, like id.example.com.")
    return Target(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), named)


def is_named(host: str, port: int, private_hosts: Collection[str]) -> bool:
    """Whether the operator vouches for this host at this port."""
    spelt = f"[{host}]" if ":" in host else host
    return f"{spelt}:{port}" in private_hosts or (port == 443 and spelt in private_hosts)


def _is_host(host: str, named: bool) -> bool:
    address = find_address(host)
    if address is not None:
        return str(address) == host
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    return (named or len(labels) > 1) and not _NUMBER.fullmatch(labels[-1])


def find_address(host: str) -> IPv4Address | IPv6Address | None:
    """Returns the address that `host` spells in its one canonical form, or None."""
    try:
        return ip_address(host)
    except ValueError:
        return None
