"""Domains, addresses and certificates, read strictly: no database, no clock, no framework."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from misentinel.kernel.errors import Invalid

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SHARED = frozenset(
    {
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com",
        "proton.me", "protonmail.com", "aol.com", "gmx.com", "gmx.net", "mail.com", "hotmail.co.uk", "yahoo.co.uk",
        "btinternet.com",
    }
)  # fmt: skip


def parse_domain(text: str) -> str:
    """Returns the domain in lower case and IDNA form. Raises `Invalid` for what no company alone can have."""
    domain = text.strip().lower().removeprefix("@").rstrip(".")
    try:
        domain = domain.encode("idna").decode() if domain else ""
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid(f"“{text.strip()[:80]}” is not an e-mail domain; write it like example.com.")
    if domain in _SHARED:
        raise Invalid(f"{domain} is anybody's. List a domain that is your company's alone.")
    return domain


def parse_domains(text: str) -> tuple[str, ...]:
    """Reads domains that are parted by commas, spaces or lines; at least one, each once, in order."""
    found = sorted({parse_domain(word) for word in re.split(r"[\s,;]+", text) if word})
    if not found:
        raise Invalid("List at least one e-mail domain.")
    if len(found) > 50:
        raise Invalid("A connection lists at most 50 domains.")
    return tuple(found)


def domain_of(email: str) -> str:
    """Returns the domain of an address in IDNA form, or the empty string."""
    name, at, domain = email.strip().casefold().rpartition("@")
    if not name or not at:
        return ""
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""


def parse_certificates(text: str) -> tuple[str, ...]:
    """Reads one or two PEM certificates that providers sign with. Raises `Invalid` for weak or unreadable ones."""
    try:
        found = x509.load_pem_x509_certificates(_with_armour(text).encode())
    except ValueError:
        raise Invalid("This is not a certificate. Paste what begins with -----BEGIN CERTIFICATE-----.") from None
    if len(found) > 3:
        raise Invalid("Paste at most three certificates: the one in use, and those that will follow it.")
    for one in found:
        _require_strong(one)
    return tuple(one.public_bytes(Encoding.PEM).decode() for one in found)


def _with_armour(text: str) -> str:
    """Providers' consoles show certificates with and without their first and last line."""
    text = text.strip()
    if text and "-----BEGIN" not in text:
        text = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"
    return text


def _require_strong(certificate: x509.Certificate) -> None:
    """SP 800-131A: RSA from 2048 bits. The certificate only carries the key, so its own signature does not matter."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= 256:
        return
    raise Invalid("This certificate's key is too weak: RSA needs 2048 bits or more, elliptic curves 256.")


def fingerprint(pem: str) -> str:
    """The SHA-256 of a certificate, as providers' consoles show it."""
    from cryptography.hazmat.primitives.hashes import SHA256

    digest = x509.load_pem_x509_certificate(pem.encode()).fingerprint(SHA256()).hex().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def listed(email: str, domains: Iterable[str]) -> bool:
    """Whether the address lies in one of the domains; a subdomain is another domain."""
    return domain_of(email) in set(domains)
