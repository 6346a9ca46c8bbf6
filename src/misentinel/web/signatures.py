"""Proof of possession: a request signed as RFC 9421 says, by the key that was registered for the credential it shows.

A signature counts if it is by that Ed25519 key and names it (`keyid` is the credential's id), covers the method, the
whole address and the body's digest (RFC 9530), is at most five minutes old, and has a nonce that nobody has shown. The
address is judged as our own public URL: what a request says of its host could be what another host was told.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.http import HttpRequest
from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519

from misentinel.kernel.errors import Invalid
from misentinel.teammates import nonces
from misentinel.web.requests import body_of

_log = logging.getLogger(__name__)
_WHOLE_ADDRESS = ({"@target-uri"}, {"@authority", "@path", "@query"})
_NONCE = range(16, 129)


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _OneKey(HTTPSignatureKeyResolver):
    """Knows the one key that may sign, under the one name that it has."""

    name: str
    key: Ed25519PublicKey

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        return self.key if key_id == self.name else None

    def resolve_private_key(self, key_id: str) -> Any:
        raise NotImplementedError("nothing is signed here")


@dataclass(frozen=True, slots=True)
class _Message:
    """A request as the verifying library reads one."""

    method: str
    url: str
    headers: dict[str, str]


def prove(request: HttpRequest, credential_id: UUID, public_key: bytes) -> str:
    """Returns "" if the request proves that its sender holds the private key, else what is missing, in one word."""
    if "Signature" not in request.headers or "Signature-Input" not in request.headers:
        return "unsigned"
    keys = _OneKey(str(credential_id), Ed25519PublicKey.from_public_bytes(public_key))
    verifier = _Verifier(signature_algorithm=ED25519, key_resolver=keys)
    try:
        message = _Message(str(request.method), _address(request), dict(request.headers))
        (found,) = verifier.verify(
            message, max_age=nonces.SIGNATURE_LIFE, require_components=("@method",), body=body_of(request)
        )
    except (HTTPMessageSignaturesException, Invalid) as error:
        _log.info("a signature was not accepted: %s", type(error).__name__)
        return "bad_signature"
    covered = {component.strip('"') for component in found.covered_components}
    if not any(whole <= covered for whole in _WHOLE_ADDRESS):
        return "address_not_signed"
    if found.nonce is None or len(found.nonce) not in _NONCE:
        return "no_nonce"
    return "" if nonces.spend(credential_id, found.nonce) else "replayed"


def _address(request: HttpRequest) -> str:
    """The absolute URL that was asked for: our own public one, with the path as it was sent."""
    ours = urlsplit(settings.MISENTINEL.base_url)
    sent = request.META.get("RAW_URI") or request.get_full_path()
    return f"{ours.scheme}://{ours.netloc}{sent if sent.startswith('/') else request.get_full_path()}"
