"""MIME and DKIM: read back by the standard library and by dkimpy."""

from __future__ import annotations

import base64
import email
import email.header
import email.policy
import email.utils
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from misentinel.kernel.errors import Invalid, Misconfigured
from misentinel.kernel.ids import new_id
from misentinel.messages.channels.server import Server, Tls
from misentinel.messages.channels.smtp import SmtpChannel
from misentinel.messages.contracts import Prepared
from misentinel.messages.rules.dkim import Signer
from misentinel.messages.rules.mime import Envelope, Sender, compose, normal_address
from misentinel.messages.rules.templates import Rendered
from misentinel.messages.tests.sinks import Inbox, Memory, mail_server

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LINK = "https://acme.example.com/u/abcdef"


def envelope(recipient="asha@example.com", sender="Acme <hello@example.com>"):
    return Envelope(str(new_id()), Sender.parse(sender), recipient, LINK, AT)


def read(data):
    return email.message_from_bytes(data, policy=email.policy.default)


anything = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400)


def lines_of(text):
    """Mail has one kind of line end, and says nothing about empty lines at the end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


@given(subject=anything, html=anything, text=anything)
def test_any_content_survives_the_trip(subject, html, text):
    data = compose(envelope(), Rendered(subject, html, text))
    data.decode("ascii")
    lines = data.split(b"\r\n")
    assert all(b"\r" not in line and b"\n" not in line and len(line) <= 78 for line in lines)
    message = read(data)
    plain, rich = message.iter_parts()
    assert lines_of(plain.get_content()) == lines_of(text)
    assert lines_of(rich.get_content()) == lines_of(html)
    assert sorted(message.keys()) == sorted(
        ["Date", "From", "To", "Subject", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post",
         "MIME-Version", "Content-Type"]
    )  # fmt: skip


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"]), max_size=200))
def test_a_subject_is_read_as_it_was_written(subject):
    message = email.message_from_bytes(compose(envelope(), Rendered(subject, "h", "t")))
    shown = str(email.header.make_header(email.header.decode_header(message["Subject"])))
    assert shown == subject.strip()


def test_the_headers_are_those_that_mail_providers_ask_for():
    made = envelope()
    message = read(compose(made, Rendered("Grüße", "<p>x</p>", "x")))
    assert message["List-Unsubscribe"] == f"<{LINK}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"] == f"<{made.delivery_id}@example.com>"
    assert message["From"].addresses[0].display_name == "Acme"
    assert message["Subject"] == "Grüße"
    assert message["Date"].datetime == AT
    assert message.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize(
    "name", ["Müller & Söhne", "Acme, Inc. (UK)", 'The "Best"', "=?utf-8?q?x?=", "A" * 70, "東京" * 20, ""]
)
def test_a_senders_name_is_read_as_it_was_written(name):
    made = Envelope(str(new_id()), Sender(name, "hello@example.com"), "asha@example.com", LINK, AT)
    given = email.message_from_bytes(compose(made, Rendered("s", "h", "t")))["From"]
    shown, address = email.utils.parseaddr(given)
    assert address == "hello@example.com"
    assert str(email.header.make_header(email.header.decode_header(shown))) == name


@pytest.mark.parametrize(
    "recipient",
    [
        "a@example.com\r\nBcc: mallory@example.com", "a b@example.com", "a@example.com>", "a@", "@b.com",
        "a@b@c.test", "a@localhost", "ü@example.com", "a,b@example.com", "a@exa_mple.com", "", "a@-x.com",
        "x" * 65 + "@example.com",
    ],
)  # fmt: skip
def test_an_address_that_could_carry_something_else_is_refused(recipient):
    assert normal_address(recipient) is None
    with pytest.raises(Invalid):
        compose(envelope(recipient), Rendered("s", "h", "t"))


def test_an_address_is_made_fit_for_smtp():
    assert normal_address(" Asha.O'Neil+news@EXAMPLE.com ") == "Asha.O'Neil+news@example.com"
    assert normal_address("a@bücher.example") == "a@xn--bcher-kva.example"


@pytest.mark.parametrize("text", ["Acme", "Acme <x>", "a@b.test\r\nBcc: x@y.test", "A\nB <a@b.test>", "<>", ""])
def test_a_sender_that_is_none_is_refused(text):
    with pytest.raises(Invalid):
        Sender.parse(text)


def signer(tmp_path, key):
    path = tmp_path / "dkim.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Signer.load(path, "sel")


def record_of(key):
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        kind, data = "rsa", public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip
    else:
        kind, data = "ed25519", public.public_bytes_raw()
    return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode()}".encode()


RSA = rsa.generate_private_key(65537, 2048)


@given(subject=anything, html=anything, text=anything)
def test_strangers_verify_an_rsa_signature_over_any_content(subject, html, text):
    signed = Signer(RSA, "sel").sign(compose(envelope(), Rendered(subject, html, text)), "example.com", AT)
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record_of(RSA))
    assert max(map(len, signed.split(b"\r\n"))) <= 78


def test_strangers_verify_an_ed25519_signature(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    signed = signer(tmp_path, key).sign(compose(envelope(), Rendered("s", "h", "t")), "example.com", AT)
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record_of(key))


@pytest.mark.parametrize(
    "change",
    [
        (b"List-Unsubscribe: <https://acme", b"List-Unsubscribe: <https://evil"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        (b"Subject: s", b"Subject: t"),
        (b"From: Acme", b"From: Bolt <b@bolt.test>\r\nFrom: Acme"),
        (b"hello", b"hallo"),
    ],
)
def test_a_changed_message_does_not_verify(tmp_path, change):
    signed = signer(tmp_path, RSA).sign(compose(envelope(), Rendered("s", "hello", "hello")), "example.com", AT)
    lookup = {"dnsfunc": lambda name, timeout=5: record_of(RSA)}
    assert dkim.verify(signed, **lookup)
    tampered = signed.replace(*change)
    assert tampered != signed
    assert not dkim.verify(tampered, **lookup)


def test_a_key_that_cannot_sign_is_told_at_once(tmp_path):
    broken = tmp_path / "x.pem"
    broken.write_text("nonsense")
    for path, selector in ((tmp_path / "absent", "sel"), (broken, "sel"), (broken, "s; d=evil.test")):
        with pytest.raises(Misconfigured):
            Signer.load(path, selector)


def test_a_signature_survives_a_real_mail_server():
    inbox, made = Inbox(), envelope()
    signed = Signer(RSA, "sel").sign(
        compose(made, Rendered("Grüße", "<p>.\n.dot\n\n</p>", ".\n..\nend  ")), "example.com", AT
    )
    with mail_server(inbox) as port:
        letter = Prepared(new_id(), new_id(), "hello@example.com", made.recipient, signed)
        SmtpChannel(Server("127.0.0.1", port, Tls.NONE)).send([letter], Memory(8))
    ((_, _, received),) = inbox.messages
    assert dkim.verify(received, dnsfunc=lambda name, timeout=5: record_of(RSA))
    assert b"list-unsubscribe-post" in received.partition(b"bh=")[0]
