"""Signed requests, made by clients that others wrote: what proves possession is let in once, everything else is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from requests_http_signature import HTTPSignatureAuth, algorithms

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Invalid
from misentinel.teammates import actions
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import ADDRESS, hire, signed_in

HOST = "https://localhost:8443"
COVERED = ("@method", "@target-uri")
BODY = json.dumps({"batch": [{"type": "track", "userId": "u-1", "event": "Signed up"}]}).encode()


def new_pair() -> tuple[bytes, str]:
    """Private and public key as PEM, as OpenSSL writes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return private, public.decode()


class Signing:
    """A customer's program with a key that asks for signatures."""

    def __init__(self, customer_id: Any, kind: CredentialKind) -> None:
        permissions = () if kind is CredentialKind.WRITE_KEY else {Permission.TRAIL}
        made = actions.create_credential(system("test"), customer_id, kind, name="Signs", permissions=permissions)
        self.private, public = new_pair()
        actions.set_signing_key(system("test"), customer_id, made.view.id, public)
        self.secret, self.id = made.secret, str(made.view.id)

    def request(self, method: str, url: str, body: bytes | None = None, **changed: Any) -> requests.PreparedRequest:
        options = {
            "key_id": self.id,
            "key": self.private,
            "covered_component_ids": COVERED,
            "use_nonce": True,
        } | changed
        auth = options.pop("auth", HTTPSignatureAuth)(signature_algorithm=algorithms.ED25519, **options)
        prepared = requests.Request(
            method, url, data=body, headers={"Authorization": f"Bearer {self.secret}"}
        ).prepare()
        return auth(prepared)


def send(request: requests.PreparedRequest) -> Any:
    headers = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in request.headers.items() if k != "Content-Length"}
    client = Client(REMOTE_ADDR=ADDRESS, **{"wsgi.url_scheme": "https"})
    return client.generic(
        request.method, request.path_url, request.body or b"", "application/json", HTTP_HOST="localhost", **headers
    )


@pytest.fixture
def token(acme):
    return Signing(acme.customer_id, CredentialKind.API_TOKEN)


@pytest.fixture
def write_key(acme):
    return Signing(acme.customer_id, CredentialKind.WRITE_KEY)


def why(acme, answer: Any) -> str:
    (entry,) = list_entries(acme, EntryFilter(request_id=answer["X-Request-Id"])).entries
    return str(entry.details["why"])


@pytest.mark.strangers
def test_a_signed_request_is_let_in_and_the_secret_alone_is_not(acme, token) -> None:
    assert send(token.request("GET", f"{HOST}/api/trail?limit=5")).status_code == 200
    bare = Client(REMOTE_ADDR=ADDRESS).get("/api/trail", HTTP_AUTHORIZATION=f"Bearer {token.secret}", secure=True)
    assert (bare.status_code, why(acme, bare)) == (401, "unsigned")


@pytest.mark.strangers
def test_a_signed_request_is_let_in_once(acme, token) -> None:
    request = token.request("GET", f"{HOST}/api/trail")
    assert send(request).status_code == 200
    again = send(request)
    assert (again.status_code, why(acme, again)) == (401, "replayed")


@pytest.mark.strangers
def test_a_body_is_taken_as_it_was_signed_and_no_other(acme, write_key) -> None:
    good = write_key.request("POST", f"{HOST}/v1/batch", BODY)
    assert send(good).status_code == 200
    changed = write_key.request("POST", f"{HOST}/v1/batch", BODY)
    changed.body = BODY.replace(b"u-1", b"u-2")
    answer = send(changed)
    assert (answer.status_code, why(acme, answer)) == (401, "bad_signature")
    cut = write_key.request("POST", f"{HOST}/v1/batch", BODY)
    del cut.headers["Content-Digest"]
    assert send(cut).status_code == 401


class WithoutDigest(HTTPSignatureAuth):
    """Signs the address and leaves the body to whoever is in between."""

    def _signing_options(self, request: requests.PreparedRequest) -> dict[str, Any]:
        return {**super()._signing_options(request), "body": None}


class Yesterday(HTTPSignatureAuth):
    age = timedelta(minutes=6)

    def get_created(self, request: requests.PreparedRequest) -> datetime:
        return datetime.now(UTC) - self.age


class Tomorrow(Yesterday):
    age = -timedelta(minutes=6)


@pytest.mark.strangers
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"auth": WithoutDigest}, "bad_signature"),
        ({"auth": Yesterday}, "bad_signature"),
        ({"auth": Tomorrow}, "bad_signature"),
        ({"expires_in": timedelta(minutes=-2)}, "bad_signature"),
        ({"use_nonce": False}, "no_nonce"),
        ({"covered_component_ids": ("@target-uri",)}, "bad_signature"),
        ({"covered_component_ids": ("@method",)}, "address_not_signed"),
        ({"covered_component_ids": ("@method", "@authority", "@path")}, "address_not_signed"),
        ({"key_id": "another"}, "bad_signature"),
        ({"key": new_pair()[0]}, "bad_signature"),
    ],
    ids=lambda one: str(one) if isinstance(one, str) else ",".join(one),
)
def test_less_than_the_whole_proof_is_none(acme, write_key, changed, reason) -> None:
    answer = send(write_key.request("POST", f"{HOST}/v1/batch", BODY, **changed))
    assert (answer.status_code, why(acme, answer)) == (401, reason)


@pytest.mark.strangers
def test_what_was_signed_for_one_place_opens_no_other(acme, token) -> None:
    for signed, sent in (("/api/trail?limit=5", "/api/trail?limit=50"), ("/api/people", "/api/trail")):
        request = token.request("GET", HOST + signed)
        request.url = HOST + sent
        assert send(request).status_code == 401
    relayed = token.request("GET", "https://evil.example.com/api/trail")
    assert send(relayed).status_code == 401
    parts = {"covered_component_ids": ("@method", "@authority", "@path", "@query")}
    assert send(token.request("GET", f"{HOST}/api/trail?limit=5", **parts)).status_code == 200


def test_a_signature_header_that_is_nonsense_is_refused_not_failed_over(acme, token) -> None:
    for one, other in (
        ("x", "y"),
        ("sig=()", "sig=:!:"),
        ("sig=1", "sig=1"),
        ("é", "é"),
        ('s=("@method";req)', "s=:YQ==:"),
    ):
        answer = Client(REMOTE_ADDR=ADDRESS).get(
            "/api/trail", secure=True, HTTP_AUTHORIZATION=f"Bearer {token.secret}", HTTP_SIGNATURE=one,
            HTTP_SIGNATURE_INPUT=other,
        )  # fmt: skip
        assert answer.status_code == 401


@pytest.mark.parametrize("text", ["", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_only_an_ed25519_public_key_is_taken(acme, token, text) -> None:
    with pytest.raises(Invalid, match="Ed25519 public key"):
        actions.set_signing_key(system("test"), acme.customer_id, token.id, text)


def test_a_private_key_that_was_pasted_is_not_kept(acme, token) -> None:
    with pytest.raises(Invalid, match="private key: keep it"):
        actions.set_signing_key(system("test"), acme.customer_id, token.id, new_pair()[0].decode())


def test_the_page_takes_a_public_key_and_lets_it_go(acme) -> None:
    made = actions.create_credential(system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name="Shop")
    client = signed_in(hire(acme.customer_id, "Asha"))
    url = f"/settings/keys/{made.view.id}/signing"
    assert client.post(url, {"public_key": "nonsense"}).status_code == 422
    assert client.post(url, {"public_key": new_pair()[1]}).status_code == 302
    knock = {"secure": True, "HTTP_AUTHORIZATION": f"Bearer {made.secret}", "content_type": "application/json"}
    assert Client().post("/v1/batch", BODY, **knock).status_code == 401
    assert client.post(url, {"remove": "1"}).status_code == 302
    assert Client().post("/v1/batch", BODY, **knock).status_code == 200
