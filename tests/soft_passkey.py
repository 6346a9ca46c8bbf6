"""A device with passkeys, in software: it answers as a browser and its authenticator would, and lies where told to."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestedCredentialData, AuthenticatorData

UP, UV, BE, AT = 0x01, 0x04, 0x08, 0x40
ORIGIN = "https://localhost:8443"


@dataclass
class Device:
    """One passkey and how the device behaves. `counts`: it has a signature counter."""

    origin: str = ORIGIN
    counts: bool = True
    flags: int = UP | UV
    cross_origin: bool = False
    counter: int = 0
    handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: dict[str, Any], rp_id: str = "") -> str:
        """Answers what `navigator.credentials.create` was given."""
        self.handle = websafe_decode(options["user"]["id"])
        public = AttestedCredentialData.create(
            bytes(16), self.credential_id, ES256.from_cryptography_key(self.key.public_key())
        )
        data = self._data(rp_id or options["rp"]["id"], self.flags | AT, bytes(public))
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(self._client("webauthn.create", options), attestationObject=websafe_encode(attested))

    def get(self, options: dict[str, Any], rp_id: str = "", kind: str = "webauthn.get") -> str:
        """Answers what `navigator.credentials.get` was given."""
        data = self._data(rp_id or options["rpId"], self.flags)
        client = self._client(kind, options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            client, authenticatorData=websafe_encode(data), signature=websafe_encode(signature),
            userHandle=websafe_encode(self.handle),
        )  # fmt: skip

    def _data(self, rp_id: str, flags: int, attested: bytes = b"") -> bytes:
        self.counter += self.counts
        digest = hashlib.sha256(rp_id.encode()).digest()
        return bytes(AuthenticatorData.create(digest, AuthenticatorData.FLAG(flags), self.counter, attested))

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        }
        return json.dumps(said).encode()

    def _answer(self, client: bytes, **response: str) -> str:
        own = websafe_encode(self.credential_id)
        response["clientDataJSON"] = websafe_encode(client)
        return json.dumps(
            {"id": own, "rawId": own, "type": "public-key", "clientExtensionResults": {}, "response": response}
        )
