"""Certificates by which this installation's own processes know one another, on loopback as anywhere.

Each lasts 24 hours and names one role. They come from an authority of their own, which vouches for nothing else, and a
revocation list is kept: a certificate on it is refused from the next connection on. All of it lies in `tls/services`.

Trust: whoever can read `authority.key` there can be any of these processes, so all are run by one operating system user
and the file is that user's alone. What is proved is that the other end is a process of this installation in that role;
it is not a border between processes of the same user.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from misentinel.kernel import clock
from misentinel.kernel.errors import Conflict, NotFound
from misentinel.site.serving.authority import Pair, key_pem_of, key_usage, load_pair, new_builder, pem_of
from misentinel.site.serving.files import ensure_folder, write_file

LIFE = timedelta(hours=24)
RENEW_AFTER = LIFE / 2
REVOCATIONS_LIFE = timedelta(days=7)  # made anew as often as certificates; this long for servers that get a copy
AUTHORITY_LIFE = timedelta(days=3650)
DATABASE_USER = "misentinel"
"""The common name of every certificate: a server that asks for `clientcert=verify-full` compares it with the role."""


class Role(StrEnum):
    """A kind of process. The command line acts as the supervisor."""

    WEB = "web"
    WORKER = "worker"
    REDIRECT = "redirect"
    SUPERVISOR = "supervisor"

    @property
    def uri(self) -> str:
        return f"urn:misentinel:service:{self}"


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate of ours; `serial` in hexadecimal."""

    serial: str
    role: Role
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class Services:
    """The authority in one home folder. Safe to use from several processes: writers take turns."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "tls" / "services"
        self.authority = self.folder / "authority.pem"
        self.revocations = self.folder / "revoked.pem"
        self.trust = self.folder / "trust.pem"  # the two above in one file, so that they are read together
        self._key = self.folder / "authority.key"
        self._list = self.folder / "issued.json"

    def certificate(self, role: Role) -> Path:
        """The file with the role's certificate and key, mode 0600."""
        return self.folder / f"{role}.pem"

    def renew_due(self, roles: Iterable[Role] = tuple(Role)) -> list[Issued]:
        """Makes what is missing, half used up or revoked, the revocation list included. Returns what was issued."""
        with self._alone():
            authority, fresh = self._ensure_authority()
            made = [self._issue(authority, role) for role in roles if fresh or self._is_due(role, authority)]
            if fresh or self._revocations_are_due():
                self._write_revocations(authority)
        return made

    def renew(self, role: Role) -> Issued:
        """Issues a certificate with a new key now. The one before stays good until it expires or is revoked."""
        with self._alone():
            authority, _ = self._ensure_authority()
            made = self._issue(authority, role)
            if self._revocations_are_due():
                self._write_revocations(authority)
        return made

    def revoke(self, serial: str) -> tuple[Issued, Issued | None]:
        """Returns what was revoked and, where it was in use, what took its place. Raises `NotFound`, `Conflict`."""
        with self._alone():
            authority, _ = self._ensure_authority()
            issued = self.list_issued()
            found = next((one for one in issued if one.serial == serial.lower().lstrip("0")), None)
            if found is None:
                raise NotFound(f"No certificate {serial} that still counts; misentinel certificate list shows them.")
            if found.revoked_at is not None:
                raise Conflict(f"Certificate {serial} is revoked already.")
            revoked = replace(found, revoked_at=clock.now())
            self._write_list([revoked if one is found else one for one in issued])
            self._write_revocations(authority)
            current = load_pair(self.certificate(found.role), self.certificate(found.role))
            in_use = current is not None and _hex(current.certificate.serial_number) == found.serial
            return revoked, self._issue(authority, found.role) if in_use else None

    def list_issued(self) -> list[Issued]:
        """Certificates that have not expired, the newest first."""
        try:
            rows = json.loads(self._list.read_text())
        except FileNotFoundError:
            return []
        found = [_read(row) for row in rows]
        alive = [one for one in found if one.expires_at > clock.now()]
        return sorted(alive, key=lambda one: one.issued_at, reverse=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        ensure_folder(self.folder.parent)
        with (ensure_folder(self.folder) / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ensure_authority(self) -> tuple[Pair, bool]:
        found = load_pair(self.authority, self._key)
        if found is not None and found.certificate.not_valid_after_utc - clock.now() > 30 * LIFE:
            return found, False
        made = _make_authority()
        write_file(self._key, key_pem_of(made.key))
        write_file(self.authority, pem_of(made.certificate), mode=0o644)
        return made, True

    def _is_due(self, role: Role, authority: Pair) -> bool:
        found = load_pair(self.certificate(role), self.certificate(role))
        if found is None or found.certificate.issuer != authority.certificate.subject:
            return True
        known = {one.serial: one for one in self.list_issued()}
        ours = known.get(_hex(found.certificate.serial_number))
        return ours is None or ours.revoked_at is not None or clock.now() >= ours.issued_at + RENEW_AFTER

    def _issue(self, authority: Pair, role: Role) -> Issued:
        made = _issue(authority, role)
        certificate = made.certificate
        content = pem_of(certificate) + pem_of(authority.certificate) + key_pem_of(made.key)
        issued = Issued(
            _hex(certificate.serial_number), role, clock.now().replace(microsecond=0), certificate.not_valid_after_utc
        )
        self._write_list([issued, *self.list_issued()])
        write_file(self.certificate(role), content)
        return issued

    def _revocations_are_due(self) -> bool:
        try:
            listed = x509.load_pem_x509_crl(self.revocations.read_bytes())
        except (OSError, ValueError):
            return True
        until = listed.next_update_utc
        return until is None or until - clock.now() < REVOCATIONS_LIFE - RENEW_AFTER or not self.trust.exists()

    def _write_revocations(self, authority: Pair) -> None:
        at = clock.now()
        builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
        builder = builder.last_update(at - timedelta(minutes=5)).next_update(at + REVOCATIONS_LIFE)
        builder = builder.add_extension(_issuer_id(authority), critical=False)
        builder = builder.add_extension(x509.CRLNumber(int(at.timestamp() * 1000)), critical=False)
        for one in self.list_issued():
            if one.revoked_at is not None:
                entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16))
                builder = builder.add_revoked_certificate(entry.revocation_date(one.revoked_at).build())
        listed = builder.sign(authority.key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)
        write_file(self.revocations, listed, mode=0o644)
        write_file(self.trust, pem_of(authority.certificate) + listed, mode=0o644)

    def _write_list(self, issued: Iterable[Issued]) -> None:
        rows = [asdict(one) for one in issued]
        write_file(self._list, json.dumps(rows, default=lambda at: at.isoformat(), indent=1).encode())


def _read(row: dict[str, str]) -> Issued:
    revoked = row["revoked_at"]
    return Issued(
        row["serial"], Role(row["role"]), datetime.fromisoformat(row["issued_at"]),
        datetime.fromisoformat(row["expires_at"]), datetime.fromisoformat(revoked) if revoked else None,
    )  # fmt: skip


def _make_authority() -> Pair:
    key = ec.generate_private_key(ec.SECP384R1())
    # A name of its own each time: what an earlier authority signed is then not even looked at.
    name = f"MiSentinel services {clock.now():%Y-%m-%d %H:%M:%S.%f}"
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MiSentinel"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    builder = (
        new_builder(subject, subject, key.public_key(), AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA384()), key)


def _issue(authority: Pair, role: Role) -> Pair:
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, DATABASE_USER),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role.value),
        ]
    )
    names = [
        x509.UniformResourceIdentifier(role.uri),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        new_builder(subject, authority.certificate.subject, key.public_key(), LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_issuer_id(authority), critical=False)
    )
    return Pair(builder.sign(authority.key, hashes.SHA384()), key)


def _issuer_id(authority: Pair) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _hex(serial: int) -> str:
    return f"{serial:x}"
