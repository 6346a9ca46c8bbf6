"""A certificate authority of this installation's own, for whoever has no certificate from a public one.

Promises that its key never leaves the home folder (mode 0600), that it can only speak for the names of this
installation (critical name constraints, RFC 5280 section 4.2.1.10: trusting it in a browser endangers no
other site), and that the server's certificate is renewed by itself. Not a public authority: a browser must be
told to trust it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from misentinel.kernel import clock
from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.settings import Settings
from misentinel.site.serving.files import ensure_folder, write_file

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_CLOCK_SKEW = timedelta(hours=1)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the certificate chain and its key are: one file for both when they are our own."""

    chain: Path
    key: Path
    authority: Path | None


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_certificate(settings: Settings) -> Certificate:
    """Returns the certificate to serve with, made or renewed first if need be.

    Raises `Misconfigured` for a given certificate that is not there, `Unavailable` when a file cannot be
    written.
    """
    if settings.tls_certificate or settings.tls_key:
        return _given(settings)
    folder = ensure_folder(settings.home / "tls")
    names = server_names(settings)
    authority_file, server_file = folder / "authority.pem", folder / "server.pem"
    authority = load_pair(authority_file, folder / "authority.key")
    if authority is None or _is_due(authority.certificate) or not _may_speak_for(authority.certificate, names):
        authority = _make_authority(names)
        write_file(folder / "authority.key", key_pem_of(authority.key))
        write_file(authority_file, pem_of(authority.certificate), mode=0o644)
    server = load_pair(server_file, server_file)
    if server is None or not _still_good(server.certificate, authority.certificate, names):
        server = _issue(authority, names)
        # Key and chain are one file, so that a reader can never see the key of one and the certificate of
        # another.
        write_file(
            server_file,
            pem_of(server.certificate) + pem_of(authority.certificate) + key_pem_of(server.key),
            mode=0o600,
        )
    return Certificate(server_file, server_file, authority_file)


def server_names(settings: Settings) -> tuple[str, ...]:
    """Returns the names that the certificate speaks for: the local ones and the host of the public URL."""
    try:
        host = urlsplit(settings.base_url).hostname
    except ValueError:
        host = None
    if not host:
        raise Misconfigured(f"Setting public_url must be like https://mail.example.com, not {settings.base_url!r}.")
    return tuple(dict.fromkeys((*_LOCAL_NAMES, host)))


def _given(settings: Settings) -> Certificate:
    for name in ("tls_certificate", "tls_key"):
        value = getattr(settings, name)
        if not value:
            raise Misconfigured(f"Setting {name} is missing: tls_certificate and tls_key belong together.")
        if not Path(value).is_file():
            raise Misconfigured(f"Setting {name} names {value}, and there is no such file.")
    return Certificate(Path(settings.tls_certificate), Path(settings.tls_key), None)


def load_pair(certificate_file: Path, key_file: Path) -> Pair | None:
    """Returns what the files hold, or None if that is no pair: then it is made anew."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return Pair(certificate, key)


def _is_due(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - clock.now() < RENEW_BEFORE


def _may_speak_for(authority: x509.Certificate, names: tuple[str, ...]) -> bool:
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    return set(constraints.permitted_subtrees or []) == set(_subtrees(names))


def _still_good(server: x509.Certificate, authority: x509.Certificate, names: tuple[str, ...]) -> bool:
    try:
        server.verify_directly_issued_by(authority)
        spoken_for = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001  cryptography raises several kinds; each means: issue a new one
        return False
    return not _is_due(server) and set(spoken_for) == set(_alternative_names(names))


def _make_authority(names: tuple[str, ...]) -> Pair:
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MiSentinel"),
            x509.NameAttribute(NameOID.COMMON_NAME, "MiSentinel local authority"),
        ]
    )
    usage = key_usage(key_cert_sign=True, crl_sign=True)
    builder = (
        new_builder(subject, subject, key.public_key(), AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(_subtrees(names), None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA384()), key)


def _issue(authority: Pair, names: tuple[str, ...]) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[-1][:64])])
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        new_builder(subject, authority.certificate.subject, key.public_key(), SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_id, critical=False)
    )
    return Pair(builder.sign(authority.key, hashes.SHA384()), key)


def new_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    return [x509.DNSName(name) if (ip := _address(name)) is None else x509.IPAddress(ip) for name in names]


def _subtrees(names: tuple[str, ...]) -> list[x509.GeneralName]:
    """The same names as subtrees: an address becomes the network that holds it alone."""
    return [
        x509.DNSName(name) if (ip := _address(name)) is None else x509.IPAddress(ipaddress.ip_network(ip))
        for name in names
    ]


def _address(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
