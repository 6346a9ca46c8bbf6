"""Sending a manual message after a look at how many it goes to, and switching auto messages on and off."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages as flash
from django.http import HttpResponse
from django.urls import reverse

from misentinel.customers.queries import get_customer
from misentinel.kernel.errors import Conflict
from misentinel.messages.actions.sending import pause_message, send_message, set_live
from misentinel.messages.contracts import Kind, MessageState, MessageView
from misentinel.messages.queries.messages import get_message
from misentinel.segments.queries import EVERYONE_ID, count, get_segment
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.pages.settings import mail_server
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_MANUAL, _AUTO = Permission.MANUAL_MESSAGES_SEND, Permission.AUTO_MESSAGES_SEND


@routes.get("messages/<uuid:message_id>/send", needs=_MANUAL, tag=Tag.MESSAGE_VIEW, name="message-send")
def confirm(gate: Gate, message_id: UUID) -> HttpResponse:
    message = _unsent(gate, message_id)
    segment_id = message.draft.segment_id or EVERYONE_ID
    segment = get_segment(gate.store, segment_id)
    people = count(gate.store, segment.rule)
    _may_reach(gate, people)
    context = {
        "message": {"name": message.draft.name, "subject": message.draft.subject},
        "count": people,
        "segment_name": segment.name,
        "segment_url": reverse("segments"),
        "sender": message.draft.sender or get_customer(gate.customer_id).mail_from or settings.MISENTINEL.mail_from,
        "mail_server": mail_server(settings.MISENTINEL),
        "action": reverse("message-send", kwargs={"message_id": message_id}),
        "back_url": reverse("message", kwargs={"message_id": message_id}),
    }
    return render(gate, "console/messages/send.html", context)


@routes.post("messages/<uuid:message_id>/send", needs=_MANUAL, tag=Tag.MESSAGE_SEND, name="message-send")
def send(gate: Gate, message_id: UUID) -> HttpResponse:
    """Sends, unless the audience has grown well past what was confirmed."""
    message = _unsent(gate, message_id)
    segment = get_segment(gate.store, message.draft.segment_id or EVERYONE_ID)
    expected = gate.request.POST.get("expected", "")
    confirmed = int(expected) if expected.isascii() and expected.isdigit() and len(expected) < 12 else 0
    people = count(gate.store, segment.rule)
    _may_reach(gate, people)
    if people > confirmed + max(5, confirmed // 20):
        flash.warning(gate.request, "The segment has grown since you looked. Here is the number now.")
        return redirect("message-send", message_id=message_id)
    sent_to = send_message(gate.store, gate.actor, message_id)
    flash.success(gate.request, f"On its way to {sent_to} {'person' if sent_to == 1 else 'people'}.")
    return redirect("message", message_id=message_id)


@routes.post("messages/<uuid:message_id>/live", needs=_AUTO, tag=Tag.MESSAGE_GO_LIVE, name="message-live")
def go_live(gate: Gate, message_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="message", object_id=message_id)
    set_live(gate.store, gate.actor, message_id)
    flash.success(gate.request, "It is live: it goes out from now on.")
    return redirect("message", message_id=message_id)


@routes.post("messages/<uuid:message_id>/pause", needs=_AUTO, tag=Tag.MESSAGE_PAUSE, name="message-pause")
def pause(gate: Gate, message_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="message", object_id=message_id)
    pause_message(gate.store, gate.actor, message_id)
    flash.success(gate.request, "It is paused: nothing more goes out, and what was waiting is left out.")
    return redirect("message", message_id=message_id)


def _may_reach(gate: Gate, people: int) -> None:
    if people > 1:
        gate.require(Permission.SEND_TO_MANY)


def _unsent(gate: Gate, message_id: UUID) -> MessageView:
    gate.looks_at(object_kind="message", object_id=message_id)
    message = get_message(gate.store, message_id)
    if message.kind is not Kind.MANUAL or message.state is not MessageState.DRAFT:
        raise Conflict("Only a manual message that was not sent yet can be sent.")
    return message
