"""Who carries notices to teammates: the mail server that carries messages too, or nobody where there is none.

Without a mail server a notice stays where it is, and its recipient reads it in the console under their account. It
does not go to the customer's mailbox page, which many may see: a notice can hold a link that is meant for one.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from misentinel.kernel.settings import Settings
from misentinel.messages.channels.server import Server, connect
from misentinel.messages.ports import ChannelDown
from misentinel.messages.rules.dkim import Signer
from misentinel.messages.rules.mime import Sender, normal_address
from misentinel.teammates.ports import Courier, Letter, Undelivered

REPLY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ByMail:
    """Hands letters to a mail server, each over a connection of its own: they are few."""

    server: Server
    sender: Sender
    signer: Signer | None = None

    def deliver(self, letter: Letter) -> None:
        recipient = normal_address(letter.recipient)
        if recipient is None:
            raise Undelivered("the address cannot be written to")
        data = self._compose(letter, recipient)
        try:
            smtp = connect(self.server)
            try:
                if smtp.sock is not None:
                    smtp.sock.settimeout(REPLY_SECONDS)
                smtp.sendmail(self.sender.address, [recipient], data)
            finally:
                smtp.close()  # whatever it would say to QUIT, what it took it has taken
        except ChannelDown as error:
            raise Undelivered(str(error)) from error
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise Undelivered(f"the server answered {code} to the recipient") from error
        except smtplib.SMTPResponseException as error:
            raise Undelivered(f"the server answered {error.smtp_code}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Undelivered(type(error).__name__) from error

    def _compose(self, letter: Letter, recipient: str) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["Date"] = format_datetime(letter.at)
        message["From"] = f"{self.sender.name or 'MiSentinel'} <{self.sender.address}>"
        message["To"] = recipient
        message["Subject"] = letter.subject
        message["Message-ID"] = f"<{letter.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(letter.text, cte="quoted-printable")
        data = message.as_bytes()
        return self.signer.sign(data, self.sender.domain, letter.at) if self.signer else data


class InTheConsole:
    """Leaves letters where their recipients read them: on the page of their own notices."""

    def deliver(self, letter: Letter) -> None:
        return


def courier_from(settings: Settings) -> Courier:
    """Returns what the settings ask for. Raises `Misconfigured`."""
    if not settings.smtp_url:
        return InTheConsole()
    signer = Signer.load(Path(settings.dkim_key_file), settings.dkim_selector) if settings.dkim_key_file else None
    return ByMail(Server.parse(settings.smtp_url), Sender.parse(settings.mail_from), signer)
