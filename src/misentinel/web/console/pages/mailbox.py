"""The mailbox: what was sent while no mail server was set up, as a person would have seen it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse

from misentinel.kernel.ids import parse_id
from misentinel.messages.contracts import Mail
from misentinel.messages.queries.mailbox import get_mail, list_mail
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.policy import plain, sandboxed
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_PAGE = 50


@routes.get("mailbox", needs=Permission.USER_DATA, tag=Tag.MAILBOX_LIST, name="mailbox")
def mailbox(gate: Gate) -> HttpResponse:
    after = parse_id(gate.request.GET.get("after", ""))
    page = list_mail(gate.store, after=after, limit=_PAGE)
    shown = sorted({str(mail.person_id) for mail in page.mails})
    gate.looks_at(object_kind="mail", count=len(page.mails), shown=shown)
    context: dict[str, Any] = {
        "mails": page.mails,
        "smtp_configured": bool(settings.MISENTINEL.smtp_url),
        "page": {
            "first_url": reverse("mailbox") if after else "",
            "next_url": f"?after={page.next}" if page.next else "",
        },
    }
    return render(gate, "console/mailbox/list.html", context)


@routes.get("mailbox/<uuid:mail_id>", needs=Permission.USER_DATA, tag=Tag.MAILBOX_VIEW, name="mail")
def mail(gate: Gate, mail_id: UUID) -> HttpResponse:
    return render(gate, "console/mailbox/mail.html", {"mail": _looked_at(gate, mail_id)})


@routes.get("mailbox/<uuid:mail_id>/body", needs=Permission.USER_DATA, tag=Tag.MAILBOX_VIEW, name="mail-body")
def mail_body(gate: Gate, mail_id: UUID) -> HttpResponse:
    seen = _looked_at(gate, mail_id)
    return sandboxed(seen.html or plain(seen.text))


def _looked_at(gate: Gate, mail_id: UUID) -> Mail:
    seen = get_mail(gate.store, mail_id)
    gate.looks_at(object_kind="delivery", object_id=seen.id, person_id=seen.person_id)
    return seen
