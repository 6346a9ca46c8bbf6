"""What a customer may be called."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from email.errors import MessageError
from email.headerregistry import Address
from functools import cache

from misentinel.kernel.errors import Invalid

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def clean_name(name: str) -> str:
    """Returns the name trimmed and normalised. Raises `Invalid` for one that is empty, long or unprintable."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > 120 or not name.isprintable():
        raise Invalid("A customer's name has 1 to 120 printable characters.")
    return name


def slug_of(name: str) -> str:
    """Returns a short name made from `name`, for example "acme-ltd" from "Acme Ltd."."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")


def clean_slug(slug: str) -> str:
    if not _SLUG.fullmatch(slug):
        raise Invalid(
            "A short name has 1 to 40 lower-case letters, digits or hyphens, for example acme-ltd; set it with --slug."
        )
    return slug


def clean_time_zone(name: str) -> str:
    if name not in _time_zones():
        raise Invalid(f"There is no time zone {name!r}; use an IANA name such as Europe/London.")
    return name


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def clean_sender(address: str) -> str:
    """Returns an e-mail address fit for a From header, or the empty string for none."""
    address = address.strip()
    if not address:
        return ""
    try:
        parsed = Address(addr_spec=address)
    except (ValueError, IndexError, MessageError):
        parsed = None
    if parsed is None or parsed.addr_spec != address or len(address) > 254 or not address.isprintable():
        raise Invalid(f"{address!r} is not an e-mail address.")
    return address
