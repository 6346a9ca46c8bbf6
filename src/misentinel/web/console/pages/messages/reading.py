"""The list of messages, and one message with its report."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse

from misentinel.kernel.ids import parse_id
from misentinel.messages.contracts import DeliveryState, Kind, MessageState, MessageView, Reason, Report
from misentinel.messages.queries.messages import content_of, get_message, list_messages, preview
from misentinel.messages.queries.reports import list_recipients, report
from misentinel.people.queries import open_many
from misentinel.segments.queries import list_segments
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.policy import sandboxed
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.console.showing import person_row
from misentinel.web.gate import Gate

_PAGE = 50
EDIT = {Kind.MANUAL: Permission.MANUAL_MESSAGES_EDIT, Kind.AUTO: Permission.AUTO_MESSAGES_EDIT}
SEND = {Kind.MANUAL: Permission.MANUAL_MESSAGES_SEND, Kind.AUTO: Permission.AUTO_MESSAGES_SEND}
_TOLD = {
    Reason.UNSUBSCRIBED: "unsubscribed", Reason.ERASED: "erased", Reason.MERGED: "merged with another",
    Reason.NO_ADDRESS: "without an address", Reason.PAUSED: "waiting when it was paused",
    Reason.TEMPLATE: "the template failed for them", Reason.UNREADABLE: "could not be read",
    Reason.REFUSED: "refused by the mail server",
}  # fmt: skip
_LEFT_OUT = (Reason.UNSUBSCRIBED, Reason.ERASED, Reason.MERGED, Reason.NO_ADDRESS, Reason.PAUSED)
_FAILED = (Reason.TEMPLATE, Reason.UNREADABLE, Reason.REFUSED)
_WAITING = (DeliveryState.QUEUED, DeliveryState.CLAIMED, DeliveryState.SENDING)
_STATES = (
    ("Sent", (DeliveryState.SENT,), "Handed over for delivery"),
    ("Waiting", _WAITING, "On the way, or waiting for their moment"),
    ("Left out", (DeliveryState.SKIPPED,), "Unsubscribed, or without an address"),
    ("Failed", (DeliveryState.FAILED,), "The mail server did not take it"),
    ("Unknown", (DeliveryState.UNKNOWN,), "The answer was lost; never sent twice"),
)


@routes.get("messages", needs=Permission.SIGNED_IN, tag=Tag.MESSAGE_LIST, name="messages")
def messages(gate: Gate) -> HttpResponse:
    kind = Kind.AUTO if gate.request.GET.get("kind") == Kind.AUTO else Kind.MANUAL
    found = list_messages(gate.store)
    gate.looks_at(object_kind="message", count=len(found))
    names = _segment_names(gate)
    may_edit, may_count = gate.may(EDIT[kind]), gate.may(Permission.REPORTS)
    context = {
        "tab": kind.value,
        "tabs": [
            {
                "label": each.value.capitalize(),
                "url": f"{reverse('messages')}?kind={each.value}",
                "count": sum(message.kind is each for message in found),
                "current": each is kind,
            }
            for each in Kind
        ],
        "items": [
            {
                "url": reverse("message", kwargs={"message_id": message.id}),
                "name": message.draft.name,
                "subject": message.draft.subject,
                "audience": audience(message, names),
                "state": message.state.value,
                "sent": report(gate.store, message.id).states.get(DeliveryState.SENT, 0) if may_count else None,
                "changed_at": message.updated_at,
            }
            for message in found
            if message.kind is kind
        ],
        "may_edit": may_edit,
        "new_url": reverse(f"message-new-{kind}") if may_edit else "",
    }
    return render(gate, "console/messages/list.html", context)


@routes.get("messages/<uuid:message_id>", needs=Permission.SIGNED_IN, tag=Tag.MESSAGE_REPORT, name="message")
def message(gate: Gate, message_id: UUID) -> HttpResponse:
    found = get_message(gate.store, message_id)
    counted = report(gate.store, message_id)
    deliveries, page = _recipients(gate, message_id)
    shown = sorted(str(delivery["person_id"]) for delivery in deliveries or [] if delivery["known"])
    gate.looks_at(object_kind="message", object_id=message_id, recipients=len(deliveries or []), shown=shown)
    context = {
        "message": {
            "name": found.draft.name,
            "subject": found.draft.subject,
            "state": found.state.value,
            "audience": audience(found, _segment_names(gate)),
        },
        "back_url": f"{reverse('messages')}?kind={found.kind.value}",
        "states": _counts(counted) if gate.may(Permission.REPORTS) else [],
        "deliveries": deliveries,
        "page": page,
        "nobody_yet": _nobody_yet(found),
        "preview_url": reverse("message-body", kwargs={"message_id": message_id}),
        "live_text": f"{audience(found, _segment_names(gate))}. What happened before is left alone.",
        "pause_text": _pause_text(counted.states.get(DeliveryState.QUEUED, 0) if gate.may(Permission.REPORTS) else 0),
        **_doors(gate, found, counted),
    }
    return render(gate, "console/messages/report.html", context)


@routes.get("messages/<uuid:message_id>/body", needs=Permission.SIGNED_IN, tag=Tag.MESSAGE_PREVIEW, name="message-body")
def message_body(gate: Gate, message_id: UUID) -> HttpResponse:
    """The message as somebody would see it of whom nothing is known."""
    gate.looks_at(object_kind="message", object_id=message_id)
    return sandboxed(preview(gate.store, content_of(get_message(gate.store, message_id))).html)


def audience(message: MessageView, names: dict[UUID, str]) -> str:
    """Returns in words whom a message is for."""
    draft = message.draft
    segment = names.get(draft.segment_id, "a deleted segment") if draft.segment_id else ""
    if message.kind is Kind.MANUAL:
        return segment
    when = f"{spoken_delay(draft.delay_seconds)} after {draft.trigger_event}"
    return f"{when}, to {segment}" if segment else when


def spoken_delay(seconds: int) -> str:
    """Returns a delay in words, for example "2 hours"."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return "Right"


def _recipients(gate: Gate, message_id: UUID) -> tuple[list[dict[str, Any]] | None, dict[str, str]]:
    """Returns who it went to, or None for a teammate who may not see people, or not who got what."""
    if not (gate.may(Permission.USER_DATA) and gate.may(Permission.REPORTS)):
        return None, {}
    after = parse_id(gate.request.GET.get("after", ""))
    page = list_recipients(gate.store, message_id, after=after, limit=_PAGE)
    people = open_many(gate.store, {delivery.person_id for delivery in page.deliveries})
    rows = [
        {
            "person_id": delivery.person_id,
            "title": person_row(people[delivery.person_id])["title"] if delivery.person_id in people else "Erased",
            "known": delivery.person_id in people,
            "state": delivery.state.value,
            "reason": delivery.reason.value if delivery.reason else "",
            "at": delivery.ended_at or delivery.due_at,
        }
        for delivery in page.deliveries
    ]
    first = reverse("message", kwargs={"message_id": message_id}) if after else ""
    return rows, {"first_url": first, "next_url": f"?after={page.next}" if page.next else ""}


def _counts(counted: Report) -> list[dict[str, Any]]:
    if not counted.total:
        return []
    shown = []
    for label, states, told in _STATES:
        count = sum(counted.states.get(state, 0) for state in states)
        shown.append({"label": label, "count": count, "told": _why(counted, label, count) or told})
    return [each for each in shown if each["count"] or each["label"] in ("Sent", "Left out")]


def _why(counted: Report, label: str, count: int) -> str:
    """Returns the reasons with their numbers, which add up: "2 unsubscribed, 1 without an address"."""
    named = {"Left out": _LEFT_OUT, "Failed": _FAILED}.get(label, ())
    parts = [(counted.reasons[reason], _TOLD[reason]) for reason in named if counted.reasons.get(reason)]
    rest = count - sum(number for number, _ in parts)
    if label == "Failed" and rest:  # their reasons are also those of deliveries that will be tried again
        parts.append((rest, "given up after many tries"))
    return ", ".join(f"{number:,} {told}" for number, told in parts)


def _doors(gate: Gate, found: MessageView, counted: Report) -> dict[str, str]:
    """The addresses of what may be done with the message now, by this teammate."""
    may_edit, may_send = gate.may(EDIT[found.kind]), gate.may(SEND[found.kind])
    manual, draft = found.kind is Kind.MANUAL, found.state is MessageState.DRAFT
    live = found.state is MessageState.LIVE

    def door(name: str, open_now: bool, id_name: str = "message_id") -> str:
        return reverse(name, kwargs={id_name: found.id}) if open_now else ""

    own_id = f"{found.kind}_id"
    changeable = draft if manual else may_send or not live

    return {
        "edit_url": door(f"message-edit-{found.kind}", may_edit and changeable, own_id),
        "delete_url": door(f"message-delete-{found.kind}", may_edit and not live and counted.total == 0, own_id),
        "send_url": door("message-send", may_send and manual and draft),
        "live_url": door("message-live", may_send and not manual and not live),
        "pause_url": door("message-pause", may_send and live),
    }


def _pause_text(waiting: int) -> str:
    if not waiting:
        return "Nothing more goes out until it is set live again."
    those = "1 delivery that waits is" if waiting == 1 else f"{waiting:,} deliveries that wait are"
    return f"Nothing more goes out until it is set live again. The {those} left out for good."


def _nobody_yet(found: MessageView) -> str:
    if found.kind is Kind.AUTO:
        if found.state is MessageState.LIVE:
            return f"It goes out as soon as {found.draft.trigger_event} happens to somebody."
        return "It sends nothing until it is set live."
    if found.state is MessageState.SENT:
        return "Its segment was empty when it was sent."
    return "Send it, and everyone it went to is listed here with what became of it."


def _segment_names(gate: Gate) -> dict[UUID, str]:
    return {segment.id: segment.name for segment in list_segments(gate.store)}
