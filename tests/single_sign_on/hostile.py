"""An OpenID provider that can be told to lie in every way that the specification warns of."""

from __future__ import annotations

import base64
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey


class Hostile:
    """`claims` and `headers` are what the next token says, `key` what signs it, `published` what the key set holds."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.honest_key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.other_key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.behave()

    def behave(self) -> None:
        self.calls: list[str] = []
        self.claims: dict[str, Any] = {}
        self.key: RSAKey | OctKey | None = self.honest_key
        self.published = self.honest_key
        self.algorithm = "RS256"
        self.configuration: dict[str, Any] = {}
        self.exchange: dict[str, list[str]] = {}

    def token(self) -> str:
        if self.key is None:
            parts = ({"alg": "none", "typ": "JWT"}, self.claims)
            return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts) + "."
        return jwt.encode({"alg": self.algorithm, "kid": "one"}, self.claims, self.key, algorithms=[self.algorithm])

    def answer(self, path: str, body: str) -> Any:
        self.calls.append(path)
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys", **self.configuration,
            }  # fmt: skip
        if path == "/keys":
            return {"keys": [self.published.as_dict(private=False)]}
        self.exchange = parse_qs(body)
        return {"id_token": self.token(), "access_token": "unused", "token_type": "Bearer"}

    def speak_of(self, email: object, asked: dict[str, str], /, **claims: Any) -> None:
        """A perfectly good token for what was asked, but for `claims`; None leaves one out."""
        at = int(time.time())
        said = {
            "iss": self.issuer, "aud": asked["client_id"], "sub": "1", "nonce": asked["nonce"], "iat": at,
            "exp": at + 300, "email": email, "email_verified": True,
        } | claims  # fmt: skip
        self.claims = {name: value for name, value in said.items() if value is not None}

    @staticmethod
    def handler() -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer("")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def _answer(self, body: str) -> None:
                content = json.dumps(self.server.answers.answer(urlsplit(self.path).path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        return Handler
