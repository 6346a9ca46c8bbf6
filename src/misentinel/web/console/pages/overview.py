"""The first page: what to do next, how much there is, and what happened last. Each part only for whoever may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpResponse

from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.teammates.queries import list_credentials, list_teammates
from misentinel.trail.contracts import Tag
from misentinel.trail.queries import list_entries
from misentinel.web.console.naming import Names
from misentinel.web.console.pages.trail import row
from misentinel.web.console.rendering import render
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
    steps = [step for step, needs in _steps(gate) if gate.may(needs)]
    context: dict[str, Any] = {
        "steps": steps if not all(step.done for step in steps) else [],
        "steps_done": sum(step.done for step in steps),
        "next": next((step for step in steps if not step.done), None),
        "entries": _activity(gate) if gate.may(Permission.TRAIL) else None,
        "deliveries": None,
        "figures": [],
    }
    return render(gate, "console/overview.html", context)


def _steps(gate: Gate) -> list[tuple[Step, Permission]]:
    keys = [key for key in list_credentials(gate.customer_id) if key.revoked_at is None]
    writing = any(key.kind is CredentialKind.WRITE_KEY for key in keys)
    mail_server = bool(django_settings.MISENTINEL.smtp_url)
    return [
        (
            Step(
                "Make a write key", writing, "Your website or app shows it with every person and event it sends.",
                "/settings/keys", "Make a key",
            ),
            Permission.APP_SETTINGS,
        ),
        (
            Step(
                "Invite a teammate", len(list_teammates(gate.customer_id)) > 1,
                "Everyone signs in as themselves, with exactly the permissions you give.",
                "/teammates/invite", "Invite",
            ),
            Permission.TEAMMATES,
        ),
        (
            Step(
                "Connect a mail server", mail_server,
                "Until then, what you send lands in the mailbox. The operator sets MISENTINEL_SMTP_URL.",
                "/mailbox", "Open the mailbox",
            ),
            Permission.APP_SETTINGS,
        ),
    ]  # fmt: skip


def _activity(gate: Gate) -> list[dict[str, Any]]:
    """What was done lately; what was only looked at is on the trail itself."""
    names = Names(gate.customer_id)
    done = [entry for entry in list_entries(gate.store, limit=_SEARCHED).entries if not entry.tag.endswith(_LOOKS)]
    return [row(entry, names) for entry in done[:_RECENT]]
