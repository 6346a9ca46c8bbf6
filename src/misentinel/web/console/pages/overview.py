"""The first page: what to do next, how much there is, and what happened last. Each part only for whoever may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpResponse
from django.urls import reverse

from misentinel.events.queries import count_events
from misentinel.kernel.actor import OPERATOR_ID
from misentinel.messages.queries.deliveries import count_sent, list_latest
from misentinel.messages.queries.messages import list_messages
from misentinel.people.queries import count_people, list_people
from misentinel.segments.queries import list_segments
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.teammates.queries import list_credentials, list_teammates
from misentinel.trail.contracts import Tag
from misentinel.trail.queries import list_entries
from misentinel.web.console.examples import identify_command
from misentinel.web.console.naming import Names
from misentinel.web.console.pages.trail import row
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_RECENT = 8
_SEARCHED = 200
_LOOKS = (":view", ":list", ":show", ":preview", ":report", "sign_in:password")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist. `url` and `action` lead to where it is done, `command` is what to type."""

    title: str
    done: bool
    text: str
    url: str = ""
    action: str = ""
    command: str = ""


@routes.get("", needs=Permission.SIGNED_IN, tag=Tag.OVERVIEW_VIEW, name="overview")
def overview(gate: Gate) -> HttpResponse:
    if gate.principal.employer_id == OPERATOR_ID and gate.principal.customer_id is None:
        return redirect("operator")
    steps = [step for step, needs in _steps(gate) if gate.may(needs)]
    ahead = [step for step in steps if not step.done]
    context: dict[str, Any] = {
        "steps": steps if len(ahead) > len(steps) / 2 else ahead,
        "steps_done": len(steps) - len(ahead),
        "steps_all": len(steps),
        "next": ahead[0] if ahead else None,
        "figures": _figures(gate) if gate.may(Permission.USER_DATA) else [],
        "deliveries": _deliveries(gate) if gate.may(Permission.REPORTS) else None,
        "entries": _activity(gate) if gate.may(Permission.TRAIL) else None,
    }
    return render(gate, "console/overview.html", context)


def _steps(gate: Gate) -> list[tuple[Step, Permission]]:
    """What a newcomer does, in order, and which permission each needs."""
    return [
        (_write_key_step(gate), Permission.APPS_AND_API),
        (_first_person_step(gate), Permission.USER_DATA),
        (_segment_step(gate), Permission.USER_DATA),
        (_message_step(gate), Permission.MANUAL_MESSAGES_SEND),
        (_teammate_step(gate), Permission.TEAMMATES),
        (_mail_server_step(gate), Permission.APP_SETTINGS),
    ]


def _write_key_step(gate: Gate) -> Step:
    keys = [key for key in list_credentials(gate.customer_id) if key.revoked_at is None]
    done = any(key.kind is CredentialKind.WRITE_KEY for key in keys)
    text = "Your website or app shows it with every person and event it sends."
    return Step("Make a write key", done, text, reverse("keys"), "Make a key")


def _first_person_step(gate: Gate) -> Step:
    done = bool(list_people(gate.store, limit=1).people)
    text = "Put your key into this command and run it. The person appears under People."
    return Step("Send your first person", done, text, command=identify_command())


def _segment_step(gate: Gate) -> Step:
    done = any(not segment.builtin for segment in list_segments(gate.store))
    text = "A group of people made by rules: whom a message is for."
    return Step("Make a segment", done, text, reverse("segment-new"), "New segment")


def _message_step(gate: Gate) -> Step:
    text = "You see it as a real person would, and how many people it goes to, before anything leaves."
    done = bool(list_latest(gate.store, limit=1))
    if not gate.may(Permission.MANUAL_MESSAGES_EDIT):
        return Step("Send a message", done, text, reverse("messages"), "Choose one")
    return Step("Send a message", done, text, reverse("message-new-manual"), "Write one")


def _teammate_step(gate: Gate) -> Step:
    done = len(list_teammates(gate.customer_id)) > 1
    text = "Everyone signs in as themselves, with exactly the permissions you give."
    return Step("Invite a teammate", done, text, reverse("teammate-invite"), "Invite")


def _mail_server_step(gate: Gate) -> Step:
    done = bool(django_settings.MISENTINEL.smtp_url)
    text = "Until the operator sets MISENTINEL_SMTP_URL, what you send lands in the mailbox."
    mailbox = reverse("mailbox") if gate.may(Permission.USER_DATA) else ""
    return Step("Connect a mail server", done, text, mailbox, "Open the mailbox")


def _figures(gate: Gate) -> list[dict[str, Any]]:
    segments = [segment for segment in list_segments(gate.store) if not segment.builtin]
    return [
        {"label": "People", "value": f"{count_people(gate.store):,}", "url": reverse("people")},
        {"label": "Events", "value": f"{count_events(gate.store):,}"},
        {"label": "Segments", "value": len(segments), "url": reverse("segments")},
        {"label": "Messages sent", "value": f"{count_sent(gate.store):,}", "url": reverse("messages")},
    ]


def _deliveries(gate: Gate) -> list[dict[str, Any]]:
    """The last deliveries, without whom they went to: that is on the message's own page, for whoever may see it."""
    latest = list_latest(gate.store, limit=_RECENT)
    names = {message.id: message.draft.name for message in list_messages(gate.store)} if latest else {}
    return [
        {
            "message_name": names.get(delivery.message_id, "A deleted message"),
            "message_url": reverse("message", kwargs={"message_id": delivery.message_id}),
            "state": delivery.state.value,
            "at": delivery.ended_at or delivery.due_at,
        }
        for delivery in latest
    ]


def _activity(gate: Gate) -> list[dict[str, Any]]:
    """What was done lately; what was only looked at is on the trail itself."""
    names = Names(gate.customer_id)
    done = [entry for entry in list_entries(gate.store, limit=_SEARCHED).entries if not entry.tag.endswith(_LOOKS)]
    return [row(entry, names) for entry in done[:_RECENT]]
