"""Where an address is, in words for its owner: from a file that the operator supplies, else only its network.

Shown, never used to decide anything.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

import maxminddb

from misentinel.kernel import settings
from misentinel.kernel.errors import Misconfigured


def place_of(address: str) -> str:
    """Returns for example "London, United Kingdom"; without a file, or for an address it does not know, the network.

    Raises `Misconfigured` for a file that cannot be read.
    """
    path = settings.load().places_file
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.is_loopback:
        return "This machine"
    found = _reader(path).get(parsed) if path else None
    return _words(found) or network_of(address)


def network_of(address: str) -> str:
    """Returns the network that an address is in: enough to recognise one's own by, and nobody's whereabouts."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


@lru_cache(maxsize=1)
def _reader(path: str) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise Misconfigured(f"Setting places_file: {path} is not a readable MaxMind database.") from error


def _words(found: Any) -> str:
    """City and country in English, where the record has them (the layout of GeoLite2 City and DB-IP Lite)."""
    if not isinstance(found, dict):
        return ""
    names = [found.get(part, {}).get("names", {}).get("en", "") for part in ("city", "country")]
    return ", ".join(name for name in names if name)
