"""A rendered message as bytes that a mail server takes and a DKIM signature survives (RFC 5322, 2045-2047, 8058).

Promises CRLF line ends, seven bits, no line over 998 bytes (76 in bodies), one value per header whatever was put into
it, and the same bytes for the same input. Written here because the standard library takes 1 ms for a message that this
makes in 0.02: more than everything else that we do for it. The standard library reads it back, in the tests.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from misentinel.kernel.errors import Invalid
from misentinel.messages.rules.templates import Rendered

_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_SENDER = re.compile(r'\s*(?:"?(?P<name>[^"<>]*?)"?\s*<(?P<boxed>[^<>\s]+)>|(?P<bare>[^<>\s]+))\s*')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPECIAL = re.compile(r'[()<>\[\]:;@\\,."]')
_WORD_BYTES = 45  # a word of 45 bytes is 60 characters of base64 and 12 of wrapping: below the 75 of RFC 2047
_BODY_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a message is from: a name (may be empty) and an address."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @staticmethod
    def parse(text: str) -> Sender:
        """Reads `Name <address>` or `address`. Raises `Invalid`."""
        match = _SENDER.fullmatch(text)
        address = normal_address(match["boxed"] or match["bare"]) if match else None
        if not match or not address or _CONTROL.search(text):
            raise Invalid(f"{text!r} is not a sender. Write an address, or a name and <address>.", field="sender")
        return Sender((match["name"] or "").strip(), address)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is written around the content.

    `delivery_id` makes Message-ID and boundary: a copy is known again.
    """

    delivery_id: str
    sender: Sender
    recipient: str
    unsubscribe_url: str
    at: datetime


def normal_address(text: str) -> str | None:
    """Returns an address that SMTP without extensions can carry, its domain in IDNA, or None."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower() if not domain.isascii() else domain.lower()
    except UnicodeError:
        return None
    address = f"{local}{at}{domain}"
    fits = len(address) <= 254 and len(local) <= 64 and address.isascii()
    return address if fits and _ADDRESS.fullmatch(address) else None


def compose(envelope: Envelope, content: Rendered) -> bytes:
    """Returns the message.

    The recipient must have come from `normal_address`: anything else raises `Invalid`.
    """
    if normal_address(envelope.recipient) != envelope.recipient:
        raise Invalid("The recipient's address cannot be written to.", field="email")
    boundary = f"=_{envelope.delivery_id.replace('-', '')}"  # neither base64 nor quoted-printable can contain `=_`
    head = (
        f"Date: {format_datetime(envelope.at)}\r\n"
        f"From: {_mailbox(envelope.sender)}\r\n"
        f"To: {envelope.recipient}\r\n"
        f"{_header('Subject', content.subject)}"
        f"Message-ID: <{envelope.delivery_id}@{envelope.sender.domain}>\r\n"
        f"List-Unsubscribe: <{_link(envelope.unsubscribe_url)}>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'
        "\r\n"
    ).encode("ascii")
    opening = f"--{boundary}\r\n".encode()
    return b"".join(
        (
            head,
            opening,
            _part("plain", content.text),
            opening,
            _part("html", content.html),
            f"--{boundary}--\r\n".encode(),
        )
    )


def _mailbox(sender: Sender) -> str:
    if not sender.name:
        return sender.address
    if not sender.name.isascii() or "=?" in sender.name:
        return f"{_words(sender.name, len('From: '))}\r\n <{sender.address}>"
    if len(sender.name) > 60:
        return f"{_quoted(sender.name)}\r\n <{sender.address}>"
    return f"{_quoted(sender.name)} <{sender.address}>"


def _quoted(name: str) -> str:
    if not _SPECIAL.search(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _header(name: str, value: str) -> str:
    line = _CONTROL.sub(" ", value).strip()
    plain = line.isascii() and "=?" not in line and len(name) + 2 + len(line) <= _BODY_WIDTH
    return f"{name}: {line if plain else _words(line, len(name) + 2)}\r\n"


def _words(text: str, taken: int) -> str:
    """Returns RFC 2047 encoded words on folded lines; `taken` is what the first line has already used."""
    chunks: list[bytes] = []
    chunk, room = b"", _WORD_BYTES - taken
    for character in text.encode("utf-8", "replace").decode("utf-8"):
        encoded = character.encode()
        if len(chunk) + len(encoded) > room:
            chunks.append(chunk)
            chunk, room = b"", _WORD_BYTES
        chunk += encoded
    chunks.append(chunk)
    return "\r\n ".join(f"=?utf-8?B?{base64.b64encode(chunk).decode()}?=" for chunk in chunks)


def _link(url: str) -> str:
    if not url.isascii() or not url.isprintable() or re.search(r"[<>\s,]", url) or len(url) > 900:
        raise Invalid("The unsubscribe link must be a plain web address.", field="unsubscribe_url")
    return url


def _part(subtype: str, text: str) -> bytes:
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    if len(data) - len(text) > len(data) // 4:
        encoding, body = "base64", _base64(data)
    else:
        encoding, body = "quoted-printable", _quoted_printable(data)
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body + b"\r\n"


def _base64(data: bytes) -> bytes:
    encoded = base64.b64encode(data)
    return b"\r\n".join(encoded[i : i + _BODY_WIDTH] for i in range(0, len(encoded), _BODY_WIDTH))


def _quoted_printable(data: bytes) -> bytes:
    return binascii.b2a_qp(data, istext=True).replace(b"\n", b"\r\n")
