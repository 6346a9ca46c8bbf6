"""Networks that are shut out by the operator. The list can only deny: nothing here, or anywhere, lets in by address."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from misentinel.kernel.errors import Misconfigured, Refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=8)
def parse_networks(listed: str) -> tuple[Network, ...]:
    """Returns the networks of the setting `denied_networks`. Raises `Misconfigured`, naming the one that is none."""
    found = []
    for part in listed.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            raise Misconfigured(
                f"Setting denied_networks names {part!r}, which is no network; write one like 203.0.113.0/24."
            ) from None
    return tuple(found)


def require_not_denied(address: str, listed: str) -> None:
    """Raises `Refused` for an address in one of the networks; where there are any, for an unreadable one too."""
    if listed and _is_denied(address, parse_networks(listed)):
        raise Refused("Requests from this network are not accepted here.")


def _is_denied(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped  # what a socket for both versions calls an IPv4 peer
    return any(parsed in network for network in networks)
