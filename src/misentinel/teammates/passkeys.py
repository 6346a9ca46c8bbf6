"""Passkeys by WebAuthn Level 3: what the browser is asked for, and whether what it answers is true.

User verification is required every time, so a passkey is two factors in one: the device, and the finger, face or
PIN that unlocks it (SP 800-63B-4, 3.1.7). The `fido2` library parses and verifies; this file adds what only a server
that knows its database can say: that a challenge is used once and in time, in the session that asked for it, that
the credential is the teammate's, that its counter goes forward. Origin and RP id come from the setting `public_url`
alone: what a request says of its host plays no part.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from django.db import IntegrityError, transaction
from django.db.models import Q
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    CollectedClientData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from misentinel.kernel import settings
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, Misconfigured
from misentinel.teammates.models import Challenge, Passkey, Teammate

CHALLENGE_LASTS = timedelta(minutes=5)
MOST = 20
_LONGEST_ANSWER = 32 * 1024
_LONGEST_NAME = 60
_REQUIRED = UserVerificationRequirement.REQUIRED
_ALGORITHMS = (-8, -7, -257)  # EdDSA, ES256, RS256: what WebAuthn 5.8.5 recommends that everyone supports
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, UnsupportedAlgorithm)
_TOLD = {
    "Invalid origin in CollectedClientData.": "origin",
    "Wrong challenge in response.": "challenge",
    "Wrong RP ID hash in response.": "relying_party",
    "User Present flag not set.": "user_presence",
    "User verification required, but User Verified flag not set.": "user_verification",
    "User verification required, but user verified flag not set.": "user_verification",
    "Invalid signature.": "signature",
}
"""How fido2 puts what it refuses → the word for it on the trail."""

_Parsed = TypeVar("_Parsed")


class Purpose(StrEnum):
    """What a challenge was made for. An answer to one for another purpose is refused."""

    ENROL = "enrol"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"


class NotShown(Exception):
    """The answer is not taken. `reason` is one word, for the trail; whose passkey it names, if it names one."""

    def __init__(self, reason: str, passkey: Passkey | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passkey = passkey


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was just made and verified, and belongs to nobody yet."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    synced: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey that has just signed its challenge, and where its counter stands now."""

    passkey: Passkey
    sign_count: int


def origin() -> str:
    """Returns the one origin whose answers count, as browsers spell it. Raises `Misconfigured`."""
    parts = urlsplit(settings.load().base_url)
    if parts.scheme != "https" or not parts.hostname:
        raise Misconfigured("Setting public_url must be an https URL with a host name.")
    host = parts.hostname.encode("idna").decode().lower()
    return f"https://{host}" if parts.port in (None, 443) else f"https://{host}:{parts.port}"


def options_to_enrol(teammate: Teammate, bound_to: str) -> dict[str, Any]:
    """Returns what `navigator.credentials.create` takes, as JSON (binary values in base64url)."""
    challenge = _new_challenge(Purpose.ENROL, bound_to, teammate)
    options, _ = _server().register_begin(
        PublicKeyCredentialUserEntity(id=teammate.id.bytes, name=teammate.email, display_name=teammate.name),
        [_descriptor(bytes(row.credential_id)) for row in Passkey.objects.filter(teammate=teammate)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=_REQUIRED,
        challenge=challenge,
        extensions={"credProps": True},
    )
    return _as_json(options.public_key)


def read_new(teammate: Teammate, bound_to: str, answer: str) -> NewPasskey:
    """Uses up the challenge and verifies a passkey that was just made. Raises `NotShown`."""
    state = _use_challenge(Purpose.ENROL, bound_to, teammate)
    parsed = _parse(RegistrationResponse.from_dict, answer)
    _require_same_origin(parsed.response.client_data)
    with _telling():
        made = _server().register_complete(state, parsed)
        data = made.credential_data
        if data is None or data.credential_id != parsed.raw_id or data.public_key.get(3) not in _ALGORITHMS:
            raise NotShown("unreadable")
        _require_usable(data)
        return NewPasskey(data.credential_id, bytes(data), made.counter, made.is_backup_eligible())


def keep(teammate: Teammate, new: NewPasskey, name: str) -> Passkey:
    """Gives the passkey to `teammate`, in the caller's transaction. Raises `Conflict` if it is somebody's already."""
    if Passkey.objects.filter(teammate=teammate).count() >= MOST:
        raise Conflict(f"There are {MOST} passkeys already. Remove one first.")
    try:
        with transaction.atomic():
            return Passkey.objects.create(
                teammate=teammate, credential_id=new.credential_id, public_key=new.public_key,
                sign_count=new.sign_count, synced=new.synced, name=clean_name(name),
            )  # fmt: skip
    except IntegrityError:
        raise Conflict("This passkey is in use already.") from None


def options_to_show(purpose: Purpose, bound_to: str, teammate: Teammate | None) -> dict[str, Any]:
    """Returns what `navigator.credentials.get` takes, as JSON. Without a teammate, any passkey on the device fits."""
    challenge = _new_challenge(purpose, bound_to, teammate)
    known = None
    if teammate is not None:
        known = [_descriptor(bytes(row.credential_id)) for row in Passkey.objects.filter(teammate=teammate)]
    options, _ = _server().authenticate_begin(known, user_verification=_REQUIRED, challenge=challenge)
    return _as_json(options.public_key)


def check(purpose: Purpose, bound_to: str, answer: str, teammate: Teammate | None) -> Shown:
    """Uses up the challenge and verifies who signed it. Raises `NotShown`.

    Without a teammate the answer itself must say whose it is (its user handle), and the credential must agree. The
    counter moves only with `use`, in the caller's transaction.
    """
    state = _use_challenge(purpose, bound_to, teammate)
    parsed = _parse(AuthenticationResponse.from_dict, answer)
    passkey = Passkey.objects.select_related("teammate").filter(credential_id=parsed.raw_id).first()
    if passkey is None:
        raise NotShown("unknown_credential")
    handle = parsed.response.user_handle
    if (teammate is None and handle is None) or (handle is not None and handle != passkey.teammate_id.bytes):
        raise NotShown("user_handle", passkey)
    if teammate is not None and passkey.teammate_id != teammate.pk:
        raise NotShown("not_theirs", passkey)
    _require_same_origin(parsed.response.client_data, passkey)
    with _telling(passkey):
        _server().authenticate_complete(state, [AttestedCredentialData(bytes(passkey.public_key))], parsed)
    return Shown(passkey, parsed.response.authenticator_data.counter)


def use(shown: Shown) -> None:
    """Moves the counter. Raises `NotShown` where it does not go forward: then two devices hold the key (7.2, 22).

    Authenticators without a counter always say 0, and only ever 0.
    """
    fits = Q(sign_count__lt=shown.sign_count) if shown.sign_count else Q(sign_count=0)
    unmoved = Passkey.objects.filter(fits, pk=shown.passkey.pk)
    moved = unmoved.update(sign_count=shown.sign_count, last_used_at=now())
    if moved != 1:
        raise NotShown("counter_went_back", shown.passkey)


def clean_name(name: str) -> str:
    """Raises `Invalid` for a name that lists could not show."""
    name = " ".join(name.split()) or "Passkey"
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise Invalid(f"A passkey's name has 1 to {_LONGEST_NAME} printable characters.")
    return name


def new_binding() -> str:
    """Returns a random value for a browser's server-side session to hold."""
    return secrets.token_urlsafe(32)


def forget_old() -> int:
    """Deletes challenges that nobody answered in time. Returns how many."""
    deleted, _ = Challenge.objects.filter(expires_at__lte=now()).delete()
    return deleted


def _server() -> Fido2Server:
    """Browsers name the origin exactly, so exactly is how it is compared: no subdomain, no other port."""
    ours = origin()
    rp = PublicKeyCredentialRpEntity(id=urlsplit(ours).hostname, name="MiSentinel")
    return Fido2Server(rp, verify_origin=lambda told: told == ours)


def _new_challenge(purpose: Purpose, bound_to: str, teammate: Teammate | None) -> bytes:
    """Replaces the session's earlier challenge for the same purpose."""
    value = secrets.token_bytes(32)
    Challenge.objects.update_or_create(
        purpose=purpose, bound_to=bound_to,
        defaults={"teammate": teammate, "value": value, "expires_at": now() + CHALLENGE_LASTS},
    )  # fmt: skip
    return value


def _use_challenge(purpose: Purpose, bound_to: str, teammate: Teammate | None) -> dict[str, Any]:
    """Takes the challenge away for good, whatever becomes of the answer: the transaction is this statement's own.

    Raises `NotShown` if there is none: used already, perhaps by another process this moment, too old, of another
    session, or made for somebody else.
    """
    with transaction.atomic(durable=True):
        waiting = Challenge.objects.select_for_update().filter(purpose=purpose, bound_to=bound_to).first()
        if waiting is not None:
            waiting.delete()
    if waiting is None or waiting.expires_at <= now() or waiting.teammate_id != (teammate.pk if teammate else None):
        raise NotShown("challenge")
    return {"challenge": websafe_encode(bytes(waiting.value)), "user_verification": _REQUIRED}


def _parse(reader: Callable[[Mapping[str, Any]], _Parsed], answer: str) -> _Parsed:
    if len(answer) > _LONGEST_ANSWER:
        raise NotShown("unreadable")
    try:
        said = json.loads(answer)
        if isinstance(said, dict):
            return reader(said)
    except (*_MALFORMED, RecursionError):
        pass
    raise NotShown("unreadable")


def _require_same_origin(client_data: CollectedClientData, passkey: Passkey | None = None) -> None:
    """A page that frames ours must not borrow its passkeys (WebAuthn 7.1, 10 and 7.2, 14)."""
    if client_data.cross_origin:
        raise NotShown("cross_origin", passkey)


@contextmanager
def _telling(passkey: Passkey | None = None) -> Any:
    """Turns what fido2 refuses, or cannot make sense of, into `NotShown`."""
    try:
        yield
    except _MALFORMED as error:
        raise NotShown(_TOLD.get(str(error), "unreadable"), passkey) from None


def _require_usable(data: AttestedCredentialData) -> None:
    """Raises `ValueError` for a key that could never verify anything, for example a point off the curve."""
    with suppress(InvalidSignature):
        data.public_key.verify(b"", b"")


def _descriptor(credential_id: bytes) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=credential_id)


def _as_json(options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(dict(options), default=dict))
    return found
