"""The second factor: codes by RFC 6238 from an authenticator app, and recovery codes for when it is lost.

django-allauth makes and keeps the seeds (its `Authenticator` model and arithmetic); this file seals them in the
vault, refuses replays, and keeps recovery codes as digests. allauth's own replay guard lives in a cache for one
period and forgets what it must remember as soon as clocks may differ, so here the last accepted time step is a
column that only ever moves forward: one statement decides, whichever process asks.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import quote, urlencode
from uuid import UUID

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value

from misentinel.kernel.clock import now
from misentinel.teammates.models import Passkey, RecoveryCode, Teammate
from misentinel.vault import queries as vault

PERIOD_SECONDS = 30
_TOLERANCE = 1  # one step either way, for clocks that differ and people who type (RFC 6238, 5.2)
_RECOVERY_CODES = 10
_PURPOSE = "totp"


class SealedSeeds(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """What allauth writes into its `Authenticator` rows is sealed; without the vault they mean nothing."""

    def encrypt(self, text: str) -> str:
        return seal_seed(text)

    def decrypt(self, encrypted_text: str) -> str:
        return open_seed(encrypted_text)


def seal_seed(seed: str) -> str:
    return base64.b64encode(vault.seal_secret(_PURPOSE, seed.encode(), "authenticator")).decode()


def open_seed(sealed: str) -> str:
    return vault.open_secret(_PURPOSE, base64.b64decode(sealed), "authenticator").decode()


def new_seed() -> str:
    """Returns 160 random bits in base32, the length that RFC 4226 recommends."""
    seed: str = generate_totp_secret()
    return seed


def find_authenticator(teammate_id: UUID) -> Authenticator | None:
    return Authenticator.objects.filter(user_id=teammate_id, type=Authenticator.Type.TOTP).first()


def replace_authenticator(teammate: Teammate, seed: str) -> None:
    remove_authenticator(teammate)
    TOTP.activate(teammate, seed)


def remove_authenticator(teammate: Teammate) -> bool:
    """Says whether there was one."""
    deleted, _ = Authenticator.objects.filter(user_id=teammate.pk).delete()
    return bool(deleted)


def count_factors(teammate_id: UUID) -> int:
    """How many second factors there are: the authenticator and the passkeys. Recovery codes are none."""
    return int(find_authenticator(teammate_id) is not None) + Passkey.objects.filter(teammate_id=teammate_id).count()


def matching_step(seed: str, code: str) -> int | None:
    """Returns the time step whose code this is, or None."""
    current = int(now().timestamp()) // PERIOD_SECONDS
    for step in range(current - _TOLERANCE, current + _TOLERANCE + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(seed, step))):
            return step
    return None


def accept_code(teammate: Teammate, code: str) -> bool:
    """Uses up an authenticator's code. A code, or one older than the last accepted, is let through only once."""
    row = find_authenticator(teammate.pk)
    if row is None:
        return False
    step = matching_step(open_seed(row.data["secret"]), code)
    if step is None or not use_step(teammate, step):
        return False
    row.record_usage()
    return True


def use_step(teammate: Teammate, step: int) -> bool:
    moved = Teammate.objects.filter(pk=teammate.pk, totp_counter__lt=step).update(totp_counter=step)
    return moved == 1


def replace_recovery_codes(teammate: Teammate) -> list[str]:
    """Returns ten fresh codes; only their digests are kept, the earlier ones are gone."""
    RecoveryCode.objects.filter(teammate=teammate).delete()
    codes = [base64.b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(_RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(teammate=teammate, digest=_digest(code)) for code in codes)
    return ["-".join(code[i : i + 4] for i in range(0, 24, 4)) for code in codes]


def accept_recovery_code(teammate: Teammate, code: str) -> bool:
    unused = RecoveryCode.objects.filter(teammate=teammate, digest=_digest(_bare(code)), used_at=None)
    return unused.update(used_at=now()) == 1


def count_recovery_codes(teammate_id: UUID) -> int:
    return RecoveryCode.objects.filter(teammate_id=teammate_id, used_at=None).count()


def provisioning_uri(email: str, seed: str) -> str:
    """Returns the `otpauth` URI that authenticator apps read from a QR code."""
    return f"otpauth://totp/{quote(f'MiSentinel:{email}')}?" + urlencode({"secret": seed, "issuer": "MiSentinel"})


def spaced(seed: str) -> str:
    """Returns the seed in groups of four, for people who type it."""
    return " ".join(seed[i : i + 4] for i in range(0, len(seed), 4))


def qr_data_uri(uri: str) -> str:
    """Returns an SVG as a data URI for an `<img>`: nothing inline for a strict CSP to object to."""
    svg: str = SealedSeeds().build_totp_svg(uri)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _bare(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
