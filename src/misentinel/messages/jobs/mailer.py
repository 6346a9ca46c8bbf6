"""How this installation sends: through which channel, from whom, signed with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from misentinel.kernel.settings import Settings
from misentinel.messages.channels.mailbox import MailboxChannel
from misentinel.messages.channels.server import Server
from misentinel.messages.channels.smtp import SmtpChannel
from misentinel.messages.ports import Channel
from misentinel.messages.rules.dkim import Signer
from misentinel.messages.rules.mime import Sender
from misentinel.store.contracts import Store


@dataclass(frozen=True, slots=True)
class Mailer:
    """`sender` is who messages are from that do not say; `base_url` is where unsubscribe links lead."""

    channel: Callable[[Store], Channel]
    sender: Sender
    base_url: str
    signer: Signer | None = None


def mailer_from(settings: Settings) -> Mailer:
    """Returns what the settings ask for: a mail server, or without one the local mailbox. Raises `Misconfigured`."""
    signer = Signer.load(Path(settings.dkim_key_file), settings.dkim_selector) if settings.dkim_key_file else None
    sender = Sender.parse(settings.mail_from)
    if not settings.smtp_url:
        return Mailer(MailboxChannel, sender, settings.base_url, signer)
    smtp = SmtpChannel(Server.parse(settings.smtp_url), settings.smtp_connections)
    return Mailer(lambda _store: smtp, sender, settings.base_url, signer)
