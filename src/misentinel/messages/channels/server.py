"""Reaching a mail server: its URL, TLS with a verified certificate, and signing in.

TLS is the default. Credentials never travel without it, except to this machine.
"""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from misentinel.kernel.errors import Misconfigured
from misentinel.messages.ports import ChannelDown

CONNECT_SECONDS = 10.0


class Tls(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, as `smtp://user:password@host:587?tls=starttls&ca=/path/ca.pem` names it."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""

    @staticmethod
    def parse(url: str) -> Server:
        """Reads an SMTP URL. Raises `Misconfigured`, without repeating the password."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            port = parts.port
        except ValueError:
            raise Misconfigured("The port in smtp_url is not a number between 1 and 65535.") from None
        if parts.scheme != "smtp" or not parts.hostname:
            raise Misconfigured("smtp_url must look like smtp://user:password@host:587?tls=starttls.")
        if unknown := sorted(set(options) - {"tls", "ca"}):
            raise Misconfigured(f"smtp_url has an unknown option {unknown[0]!r}; there are tls and ca.")
        try:
            tls = Tls(options.get("tls", Tls.IMPLICIT if port == smtplib.SMTP_SSL_PORT else Tls.STARTTLS))
        except ValueError:
            raise Misconfigured("tls in smtp_url must be starttls, implicit or none.") from None
        server = Server(
            host=parts.hostname,
            port=port or (smtplib.SMTP_SSL_PORT if tls is Tls.IMPLICIT else 587),
            tls=tls,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            ca=options.get("ca", ""),
        )
        if tls is Tls.NONE and not _is_here(server.host):
            raise Misconfigured(
                "smtp_url would send mail over a network without TLS; use tls=starttls or tls=implicit "
                "(tls=none is for a mail server on this machine: localhost, 127.0.0.1 or ::1)."
            )
        return server


def connect(server: Server) -> smtplib.SMTP:
    """Returns a connection that is greeted, protected and signed in. Raises `ChannelDown`."""
    try:
        return _connect(server)
    except (OSError, smtplib.SMTPException) as error:
        raise ChannelDown(f"{server.host}:{server.port}: {_reason(error)}") from error


def _connect(server: Server) -> smtplib.SMTP:
    context = None if server.tls is Tls.NONE else _tls_context(server)
    smtp: smtplib.SMTP
    if server.tls is Tls.IMPLICIT:
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=CONNECT_SECONDS, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=CONNECT_SECONDS)
    try:
        smtp.ehlo_or_helo_if_needed()
        if server.tls is Tls.STARTTLS:
            smtp.starttls(context=context)
            smtp.ehlo()
        if server.user:
            smtp.login(server.user, server.password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _tls_context(server: Server) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=server.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the server does not accept user and password ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answered {error.smtp_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
