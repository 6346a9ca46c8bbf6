"""SAML 2.0, web browser profile: a signed request by redirect, a signed assertion by POST.

python3-saml reads, validates against the schema and verifies the signature (strict). Around it stands what it leaves
open, because an attacker would look there first: allow-lists of algorithms and transforms before anything is verified;
after it, only the signed assertion is read, and it must name our request, our address, our audience and an end.
Sources: saml-core-2.0-os, saml-profiles-2.0-os 4.1.4, OWASP's SAML Security Cheat Sheet.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.errors import OneLogin_Saml2_Error
from onelogin.saml2.metadata import OneLogin_Saml2_Metadata
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from misentinel.kernel.clock import now
from misentinel.teammates.sso.contracts import ConnectionView, Identity, NotBelieved

_LARGEST = 256 * 1024
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_ENC = "http://www.w3.org/2001/04/xmlenc#"
_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ALLOWED = {
    f"{_DS}CanonicalizationMethod": {_C14N, f"{_C14N}WithComments"},
    f"{_DS}SignatureMethod": {f"{_MORE}{key}-sha{bits}" for key in ("rsa", "ecdsa") for bits in (256, 384, 512)},
    f"{_DS}DigestMethod": {f"{_ENC}sha256", f"{_ENC}sha512", f"{_MORE}sha384"},
    f"{_DS}Transform": {"http://www.w3.org/2000/09/xmldsig#enveloped-signature", _C14N},
}
"""What a signature may be made with. SHA-1, HMAC, XPath and XSLT are not on it."""

_EMAIL_NAMES = frozenset(
    {
        "email", "mail", "emailaddress", "urn:oid:0.9.2342.19200300.100.1.3",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    }
)  # fmt: skip
_NAME_NAMES = (
    "displayname", "name", "urn:oid:2.16.840.1.113730.3.1.241",
    "http://schemas.microsoft.com/identity/claims/displayname",
)  # fmt: skip
_SKEW = timedelta(seconds=60)
_NOT_FOR_US = "What came back was not meant for this sign-in. Start again from our sign-in page."


@dataclass(frozen=True, slots=True)
class Asserted:
    """What a believed assertion says. Its id must not be taken again before `until`."""

    identity: Identity
    assertion_id: str
    until: datetime


def new_key_pair(name: str) -> tuple[bytes, str]:
    """Returns a fresh private key and its certificate, both PEM, with which our requests are signed."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=3650))
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM).decode()


def metadata(connection: ConnectionView) -> str:
    """Returns the XML that a provider's administrator uploads to make us known."""
    settings = OneLogin_Saml2_Settings(_settings(connection, ""), sp_validation_only=True)
    described = OneLogin_Saml2_Metadata.builder(
        settings.get_sp_data(), authnsign=True, wsign=True, valid_until=None, cache_duration="P7D"
    )
    certificate = settings.get_sp_cert()
    added = OneLogin_Saml2_Metadata.add_x509_key_descriptors(described, certificate, add_encryption=False)
    return added.decode() if isinstance(added, bytes) else str(added)


def sign_in_url(connection: ConnectionView, private_key: str, *, request_id: str, state: str) -> str:
    """Returns where the browser goes, with our signed request for an assertion."""
    auth = OneLogin_Saml2_Auth(_request(connection, {}), OneLogin_Saml2_Settings(_settings(connection, private_key)))
    asked = _Request(auth.get_settings(), request_id)
    parameters = {"SAMLRequest": asked.get_request(), "RelayState": state}
    auth.add_request_signature(parameters, Names.RSA_SHA256)
    parameters["Signature"] = parameters.pop("Signature")  # last, as the binding orders what is signed before it
    url: str = auth.redirect_to(auth.get_sso_url(), parameters)
    return url


def read_answer(connection: ConnectionView, encoded: str, *, request_id: str) -> Asserted:
    """Returns whom the answer names. Raises `NotBelieved` for anything that is not wholly right."""
    if len(encoded) > _LARGEST:
        raise NotBelieved("too_large", "What came back from your company's sign-in is too large.")
    _require_plain(encoded)
    settings = OneLogin_Saml2_Settings(_settings(connection, ""))
    try:
        response = OneLogin_Saml2_Response(settings, encoded)
        valid = response.is_valid(_request(connection, {"SAMLResponse": encoded}), request_id)
    except (OneLogin_Saml2_Error, etree.Error, ValueError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise NotBelieved("not_valid", "What came back from your company's sign-in is not valid. Start again.")
    until = _require_for_us(response, connection, request_id)
    assertion_id = str(response.get_assertion_id())
    return Asserted(_identity(response), assertion_id, until)


class _Request(OneLogin_Saml2_Authn_Request):  # type: ignore[misc]  # python3-saml ships no types
    """A request under an id of ours, which the answer has to name."""

    def __init__(self, settings: OneLogin_Saml2_Settings, request_id: str) -> None:
        self._wanted = request_id
        super().__init__(settings)

    def _generate_request_id(self) -> str:
        return self._wanted


def _require_plain(encoded: str) -> None:
    """No document type (so no entities), no encryption, and no signature made otherwise than `_ALLOWED`."""
    try:
        text = base64.b64decode(encoded, validate=True)
        root = etree.fromstring(
            text, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        )
    except (binascii.Error, ValueError, etree.XMLSyntaxError):
        raise NotBelieved("unreadable", "What came back from your company's sign-in cannot be read.") from None
    if root.getroottree().docinfo.doctype or any(isinstance(node, etree._Entity) for node in root.iter()):
        raise NotBelieved("document_type", "What came back from your company's sign-in is not plain XML.")
    if any(isinstance(node.tag, str) and node.tag.startswith(f"{{{_ENC}") for node in root.iter()):
        raise NotBelieved("encrypted", "Set your company's sign-in to sign assertions and not to encrypt them.")
    for tag, allowed in _ALLOWED.items():
        if any(node.get("Algorithm") not in allowed for node in root.iter(tag)):
            raise NotBelieved("algorithm", "Your company's sign-in signs in a way that is too weak. It needs SHA-256.")


def _require_for_us(response: OneLogin_Saml2_Response, connection: ConnectionView, request_id: str) -> datetime:
    """What python3-saml only looks at where it is there, on what is signed. Returns until when the answer counts."""
    query = response._query_assertion
    audiences = response.get_audiences()
    confirmations = query("/saml:Subject/saml:SubjectConfirmation")
    data = query("/saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData")
    destination = response.document.get("Destination")
    ends = [data[0].get("NotOnOrAfter")] if data else []
    wrong = {
        "confirmation": len(confirmations) != 1 or len(data) != 1
        or confirmations[0].get("Method") != Names.CM_BEARER,
        "audience": audiences != [connection.entity_id],
        "destination": destination not in (None, connection.acs_url),
        "recipient": not data or data[0].get("Recipient") != connection.acs_url,
        "in_response_to": not data or data[0].get("InResponseTo") != request_id
        or response.get_in_response_to() not in (None, request_id),
        "no_end": not ends or not ends[0],
    }  # fmt: skip
    for reason, holds in wrong.items():
        if holds:
            raise NotBelieved(reason, _NOT_FOR_US)
    until = _moment(str(ends[0]))
    if until + _SKEW <= now():
        raise NotBelieved("expired", _NOT_FOR_US)
    return until + _SKEW


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotBelieved("no_end", _NOT_FOR_US) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _identity(response: OneLogin_Saml2_Response) -> Identity:
    """The e-mail attribute where there is exactly one, else the NameID where it is an address."""
    attributes = {name.casefold(): values for name, values in response.get_attributes().items()}
    subject = str(response.get_nameid() or "")
    told = [value for name in attributes if name in _EMAIL_NAMES for value in attributes[name]]
    addresses = {str(value).strip().casefold() for value in told if value} or {subject.strip().casefold()}
    email = addresses.pop()
    if addresses or "@" not in email or not email.isprintable():
        raise NotBelieved("no_email", "Your company's sign-in did not tell one e-mail address.")
    names = [str(attributes[name][0]) for name in _NAME_NAMES if attributes.get(name)]
    return Identity(email, names[0] if names else "", subject)


def _request(connection: ConnectionView, posted: dict[str, str]) -> dict[str, Any]:
    """Where the answer arrived: our own published address, whatever the request's headers say."""
    url = urlsplit(connection.acs_url)
    return {"https": "on", "http_host": url.netloc, "script_name": url.path, "get_data": {}, "post_data": posted}


def _settings(connection: ConnectionView, private_key: str) -> dict[str, Any]:
    return {
        "strict": True,
        "debug": False,
        "sp": {
            "entityId": connection.entity_id,
            "assertionConsumerService": {"url": connection.acs_url, "binding": Names.BINDING_HTTP_POST},
            "NameIDFormat": Names.NAMEID_EMAIL_ADDRESS,
            "x509cert": connection.own_certificate,
            "privateKey": private_key,
        },
        "idp": {
            "entityId": connection.issuer,
            "singleSignOnService": {"url": connection.sign_in_url, "binding": Names.BINDING_HTTP_REDIRECT},
            "x509certMulti": {"signing": list(connection.certificates)},
        },
        "security": {
            "authnRequestsSigned": bool(private_key),
            "wantAssertionsSigned": True,
            "wantNameId": False,
            "wantAttributeStatement": False,
            "requestedAuthnContext": False,
            "rejectDeprecatedAlgorithm": True,
            "signatureAlgorithm": Names.RSA_SHA256,
            "digestAlgorithm": Names.SHA256,
        },
    }
