"""SAML answers made by hand, right or wrong in one place, signed with whatever key and algorithms a test wants."""

from __future__ import annotations

import base64
import uuid
from datetime import timedelta
from pathlib import Path

import xmlsec
from lxml import etree

from misentinel.kernel.clock import now

_RESPONSE = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" \
xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{response_id}" Version="2.0" IssueInstant="{at}" \
Destination="{destination}" InResponseTo="{asked}"><saml:Issuer>{issuer}</saml:Issuer><samlp:Status>\
<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion \
ID="{assertion_id}" Version="2.0" IssueInstant="{at}"><saml:Issuer>{issuer}</saml:Issuer><saml:Subject>\
<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{email}</saml:NameID>\
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:{method}"><saml:SubjectConfirmationData \
{confirmed}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{since}" \
NotOnOrAfter="{until}">{audiences}</saml:Conditions><saml:AuthnStatement AuthnInstant="{at}"><saml:AuthnContext>\
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>\
</saml:AuthnContext></saml:AuthnStatement></saml:Assertion></samlp:Response>"""
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"


def response(connection, asked: str, /, **wrong: str) -> str:
    """The text of an answer, unsigned. `wrong` replaces single values; an empty one leaves an attribute out."""
    at = now()
    values = {
        "response_id": f"_{uuid.uuid4().hex}", "assertion_id": f"_{uuid.uuid4().hex}", "at": _iso(at), "asked": asked,
        "destination": connection.acs_url, "issuer": connection.issuer, "email": "asha@acme.example.com",
        "method": "bearer", "since": _iso(at - timedelta(minutes=1)), "until": _iso(at + timedelta(minutes=5)),
        "audience": connection.entity_id, "recipient": connection.acs_url, "in_response_to": asked, **wrong,
    }  # fmt: skip
    confirmed = {
        "NotOnOrAfter": values.get("confirmed_until", values["until"]), "Recipient": values["recipient"],
        "InResponseTo": values["in_response_to"],
    }  # fmt: skip
    values["confirmed"] = " ".join(f'{name}="{value}"' for name, value in confirmed.items() if value)
    one = f"<saml:AudienceRestriction><saml:Audience>{values['audience']}</saml:Audience></saml:AudienceRestriction>"
    values["audiences"] = one if values["audience"] else ""
    return _RESPONSE.format(**values)


def signed(
    text: str, key: Path, *, method=xmlsec.Transform.RSA_SHA256, digest=xmlsec.Transform.SHA256, what: str = "Assertion"
) -> etree._Element:
    """Signs the assertion, or the whole response, and returns the document."""
    root = etree.fromstring(text.encode())
    target = root if what == "Response" else root.find(f"{SAML}Assertion")
    xmlsec.tree.add_ids(root, ["ID"])
    signature = xmlsec.template.create(target, xmlsec.Transform.EXCL_C14N, method, ns="ds")
    target.find(f"{SAML}Issuer").addnext(signature)
    reference = xmlsec.template.add_reference(signature, digest, uri=f"#{target.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(key), xmlsec.KeyFormat.PEM)
    context.sign(signature)
    return root


def posted(document: etree._Element | str) -> str:
    """As a browser posts it."""
    text = document.encode() if isinstance(document, str) else etree.tostring(document)
    return base64.b64encode(text).decode()


def _iso(at) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
