"""What belongs to a teammate alone: their notices, their devices, and the changes of their address."""

from __future__ import annotations

import json
from uuid import UUID

from django.db.models import QuerySet

from misentinel.kernel.clock import now
from misentinel.teammates.contracts import DeviceView, EmailChangeView, Notice, NoticeView
from misentinel.teammates.models import Device, EmailChange, NoticeRecord
from misentinel.teammates.notice_texts import LINK, PURPOSE
from misentinel.teammates.queries.principals import digest_of
from misentinel.vault.queries import open_secret

_MOST = 50


def list_notices(teammate_id: UUID, *, with_links: bool) -> list[NoticeView]:
    """The latest ones first. Links are for whoever reads the e-mail, so they are shown only where nothing is mailed."""
    rows = NoticeRecord.objects.filter(teammate_id=teammate_id).order_by("-created_at")[:_MOST]
    return [_view(row, with_links=with_links) for row in rows]


def open_notice(row: NoticeRecord) -> dict[str, str]:
    """Returns the notice's `subject`, `text` and `link`."""
    found: dict[str, str] = json.loads(open_secret(PURPOSE, row.sealed, str(row.id)))
    return found


def list_devices(teammate_id: UUID) -> list[DeviceView]:
    rows = Device.objects.filter(teammate_id=teammate_id).order_by("-last_seen_at")
    return [DeviceView(row.id, row.label, row.first_seen_at, row.last_seen_at) for row in rows]


def find_confirmable(token: str) -> EmailChangeView | None:
    """Returns the change that this link confirms, or None: unknown, used, replaced or expired."""
    row = confirmable(token).first()
    return _change(row) if row else None


def find_revertible(token: str) -> EmailChangeView | None:
    """Returns the change that this link takes back, or None."""
    row = revertible(token).first()
    return _change(row) if row else None


def confirmable(token: str) -> QuerySet[EmailChange]:
    return _open().filter(confirm_digest=digest_of(token), confirmed_at=None)


def revertible(token: str) -> QuerySet[EmailChange]:
    return _open().filter(undo_digest=digest_of(token), confirmed_at__isnull=False)


def _open() -> QuerySet[EmailChange]:
    return EmailChange.objects.select_related("teammate").filter(ended_at=None, expires_at__gt=now())


def _change(row: EmailChange) -> EmailChangeView:
    return EmailChangeView(row.teammate_id, row.teammate.customer_id, row.before, row.after)


def _view(row: NoticeRecord, *, with_links: bool) -> NoticeView:
    content = open_notice(row)
    link = content["link"] if with_links else ""
    text = content["text"].replace(LINK, link or "the link in the e-mail")
    return NoticeView(
        row.id, Notice(row.kind), content["subject"], text, link, row.created_at, row.sent_at, row.given_up_at
    )
