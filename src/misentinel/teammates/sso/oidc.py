"""OpenID Connect: authorization code with PKCE, and an ID token that is believed only whole.

Sources: OpenID Connect Core 1.0 (3.1.3.7), Discovery 1.0, RFC 7636, RFC 9207 and the security best current practice
RFC 9700. Every URL that the customer or the provider names is called through the guard of `kernel.outgoing`. Signing
keys are fetched for each answer, so that a provider's rotation needs no waiting and a withdrawn key counts no longer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from misentinel.kernel import outgoing
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, MiSentinelError
from misentinel.teammates.sso.contracts import ConnectionView, Identity, NotBelieved

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures by a key that only the provider has: neither `none` nor a shared secret (HS…)."""

_LEEWAY = timedelta(seconds=30)
_FRESH = timedelta(minutes=10)
_LONGEST_TOKEN = 32 * 1024


@dataclass(frozen=True, slots=True)
class Provider:
    """What an issuer publishes about itself, as far as we use it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    basic: bool


def discover(issuer: str) -> Provider:
    """Reads the issuer's published configuration. Raises `Invalid`, saying what is wrong with it."""
    found = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration", "The issuer")
    if found.get("issuer") != issuer:
        raise Invalid(f"The issuer calls itself {str(found.get('issuer'))[:120]!r}; write it exactly like that.")
    named = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        url = found.get(name)
        if not isinstance(url, str) or urlsplit(url).scheme != "https" or "#" in url or not url.isprintable():
            raise Invalid(f"The issuer's configuration has no {name} at https://.")
        named[name] = url
    methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    names_itself = found.get("authorization_response_iss_parameter_supported") is True
    return Provider(issuer, **named, names_itself=names_itself, basic="client_secret_basic" in methods)


def sign_in_url(
    connection: ConnectionView, provider: Provider, *, state: str, nonce: str, verifier: str, email: str
) -> str:
    """Returns where the browser goes to sign in."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    wanted = {
        "response_type": "code", "scope": "openid email profile", "client_id": connection.client_id,
        "redirect_uri": connection.callback_url, "state": state, "nonce": nonce,
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    if email:
        wanted["login_hint"] = email
    if connection.google:
        wanted["hd"] = connection.domains[0] if len(connection.domains) == 1 else "*"
    mark = "&" if urlsplit(provider.authorization_endpoint).query else "?"
    return f"{provider.authorization_endpoint}{mark}{urlencode(wanted)}"


def identify(
    connection: ConnectionView, provider: Provider, *, code: str, secret: str, nonce: str, verifier: str
) -> Identity:
    """Trades the code for an ID token and returns whom it names. Raises `NotBelieved`."""
    token = _trade(connection, provider, code, secret, verifier)
    claims = _verified(token, provider)
    _require_for_us(claims, connection, provider, nonce)
    email, name = claims.get("email"), claims.get("name")
    if not isinstance(email, str) or "@" not in email:
        raise NotBelieved("no_email", "Your company's sign-in did not tell your e-mail address.")
    if claims.get("email_verified") is not True:
        raise NotBelieved("email_not_verified", "Your company's sign-in does not vouch for your e-mail address.")
    if connection.google and claims.get("hd") not in connection.domains:
        raise NotBelieved("hosted_domain", "This Google account is not one of your company's Google Workspace.")
    return Identity(email.casefold(), name if isinstance(name, str) else "", str(claims["sub"]))


def _trade(connection: ConnectionView, provider: Provider, code: str, secret: str, verifier: str) -> str:
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": connection.callback_url,
        "code_verifier": verifier,
    }  # fmt: skip
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if provider.basic:
        pair = f"{quote(connection.client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": connection.client_id, "client_secret": secret}
    answer = outgoing.fetch(provider.token_endpoint, method="POST", headers=headers, body=urlencode(form).encode())
    told = answer.json() if answer.status < 500 else {}
    if not isinstance(told, dict) or answer.status != 200:
        why = str(told.get("error", "")) if isinstance(told, dict) else ""
        told_why = f" It said “{why[:60]}”." if why.isprintable() and why else ""
        raise NotBelieved("no_token", f"Your company's sign-in did not confirm it.{told_why} Start again.")
    token = told.get("id_token")
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN:
        raise NotBelieved("no_token", "Your company's sign-in answered without an ID token.")
    return token


def _verified(token: str, provider: Provider) -> dict[str, Any]:
    try:
        keys = KeySet.import_key_set(_json(provider.jwks_uri, "The issuer's key set"))  # type: ignore[arg-type]
        return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
    except (JoseError, ValueError, KeyError, TypeError):
        raise NotBelieved("signature", "What came back was not signed by your company's sign-in.") from None


def _require_for_us(claims: dict[str, Any], connection: ConnectionView, provider: Provider, nonce: str) -> None:
    """OpenID Connect Core 3.1.3.7. An audience beside us is one that we have no reason to trust."""
    at = now()
    audience = claims.get("aud")
    said = claims.get("nonce")
    wrong = {
        "issuer": claims.get("iss") != provider.issuer,
        "audience": audience not in (connection.client_id, [connection.client_id]),
        "authorized_party": claims.get("azp", connection.client_id) != connection.client_id,
        "expired": not _is_time(claims.get("exp")) or claims["exp"] <= (at - _LEEWAY).timestamp(),
        "not_yet": _is_time(claims.get("nbf", 0)) is False or claims.get("nbf", 0) > (at + _LEEWAY).timestamp(),
        "stale": not _is_time(claims.get("iat"))
        or not (at - _FRESH).timestamp() <= claims["iat"] <= (at + _LEEWAY).timestamp(),
        "nonce": not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()),
        "subject": not isinstance(claims.get("sub"), str) or not claims["sub"],
    }
    for reason, holds in wrong.items():
        if holds:
            raise NotBelieved(reason, "What came back was not meant for this sign-in. Start again.")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(url: str, who: str) -> dict[str, Any]:
    answer = outgoing.fetch(url, headers={"Accept": "application/json"})
    if answer.status != 200:
        raise Invalid(f"{who} answered with status {answer.status} at {url[:200]}.")
    try:
        found = answer.json()
    except MiSentinelError:
        raise Invalid(f"{who} did not answer with JSON at {url[:200]}.") from None
    if not isinstance(found, dict):
        raise Invalid(f"{who} did not answer with a JSON object at {url[:200]}.")
    return found
