"""The local mailbox: what would have been sent, if there were a mail server."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from uuid import UUID

from misentinel.kernel.errors import NotFound
from misentinel.messages.contracts import Mail, MailPage
from misentinel.messages.models import MailRow
from misentinel.store.contracts import Store
from misentinel.vault import queries as vault
from misentinel.vault.contracts import PersonKey, Place


def list_mail(store: Store, *, after: UUID | None = None, limit: int = 50) -> MailPage:
    """Returns a page of the mailbox; what was sent to erased people is absent."""
    rows = MailRow.objects.using(store.alias)
    if after is not None:
        last = rows.filter(delivery_id=after).values_list("at", flat=True).first()
        rows = rows.filter(at__lt=last) if last else rows.none()
    found = list(rows.order_by("-at")[: limit + 1])
    page = found[:limit]
    keys = vault.person_keys(store.customer_id, [row.person_id for row in page])
    mails = [_mail(row, keys[row.person_id]) for row in page if row.person_id in keys]
    return MailPage(mails, page[-1].delivery_id if len(found) > limit else None)


def get_mail(store: Store, mail_id: UUID) -> Mail:
    """Returns one message with its parts, headers and source. Raises `NotFound`, also after the person was erased."""
    row = MailRow.objects.using(store.alias).filter(delivery_id=mail_id).first()
    key = vault.person_keys(store.customer_id, [row.person_id]).get(row.person_id) if row else None
    if row is None or key is None:
        raise NotFound("There is no such message in the mailbox.")
    return _mail(row, key, whole=True)


def mail_place(delivery_id: UUID) -> Place:
    return Place("messages_mail", "sealed", delivery_id)


def _mail(row: MailRow, key: PersonKey, *, whole: bool = False) -> Mail:
    source = key.open(mail_place(row.delivery_id), bytes(row.sealed))
    message = email.message_from_bytes(source, EmailMessage, policy=email.policy.default)
    mail = Mail(
        row.delivery_id, row.person_id, row.at, str(message["Subject"] or ""), str(message["From"] or ""),
        str(message["To"] or ""), str(message["List-Unsubscribe"] or "").strip("<> "),
    )  # fmt: skip
    if not whole:
        return mail
    return Mail(
        mail.id, mail.person_id, mail.at, mail.subject, mail.sender, mail.to, mail.unsubscribe_url,
        headers=[(name, str(value)) for name, value in message.items()],
        html=_part(message, "html"), text=_part(message, "plain"), source=source.decode("ascii", "replace"),
    )  # fmt: skip


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""
