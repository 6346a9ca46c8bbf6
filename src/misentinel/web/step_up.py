"""Step-up at the gate: what could do lasting harm needs a factor shown in the last five minutes.

Whoever sent a form meanwhile loses nothing: the page that asks for the code carries the form's fields and sends them
again, together with the code, to the same URL. Passwords never go into that page; they wait, sealed, in the
server-side session.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid, Refused, TooMany
from misentinel.teammates import actions
from misentinel.teammates.contracts import Proof
from misentinel.teammates.queries import list_factors
from misentinel.teammates.rules import PROOF_LASTS, proved_lately
from misentinel.trail.actions import noticing
from misentinel.vault.queries import open_secret, seal_secret
from misentinel.web import identity
from misentinel.web.passkeys import binding_of

if TYPE_CHECKING:
    from misentinel.web.gate import Gate

CONFIRM_PATH = "/account/confirm"
KEPT_BYTES = 256 * 1024
_WAY, _ANSWER, _WAITING = "step-up-way", "step-up-code", "step-up-waiting"
_OURS = {_WAY, _ANSWER, _WAITING, "csrfmiddlewaretoken"}
_PURPOSE, _IN_SESSION, _MOST_WAITING = "step-up", "step_up", 3
_SECRET = re.compile("password|passphrase|secret|repeated", re.IGNORECASE)


class ProofNeeded(Refused):
    """The last proof is too old, or the one that was given is wrong."""

    why = "stale_step_up"

    def __init__(self, message: str = "", *, waiting: str = "", retry_after: int = 0) -> None:
        super().__init__(message or "Show your second factor again to go on.")
        self.wrong = message
        self.waiting = waiting
        self.retry_after = retry_after
        self.status = 429 if retry_after else 403


class ProofForm(forms.Form):
    prefix = "step-up"
    code = forms.CharField(
        max_length=40, help_text="The six digits that your authenticator app shows now.",
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )  # fmt: skip


def is_secret(field: str) -> bool:
    """Whether a form field's value may not be put into a page. A test holds every password field to this."""
    return bool(_SECRET.search(field))


def require_fresh(gate: Gate) -> None:
    """Lets on whoever proved it lately, or does so with this very request. Raises `ProofNeeded`.

    Takes the proof out of the form, so that the view gets what was sent first.
    """
    proof, waiting = take_out(gate.request)
    if not proved_lately(gate.principal, now()):
        prove(gate, proof, waiting)
    _put_back(gate, waiting)


def prove(gate: Gate, proof: Proof | None, waiting: str = "") -> None:
    """Checks the proof and gives the browser a new session key. Raises `ProofNeeded`."""
    if proof is None:
        raise ProofNeeded(waiting=waiting)
    try:
        with noticing():  # what the request itself does still has to leave an entry
            turn = actions.prove_again(gate.actor, UUID(gate.principal.id), UUID(gate.principal.credential), proof)
    except Invalid as error:
        raise ProofNeeded(error.message, waiting=waiting) from None
    except TooMany as error:
        raise ProofNeeded(error.message, waiting=waiting, retry_after=error.retry_after) from None
    identity.change_key(gate.request, turn)


def take_out(request: HttpRequest) -> tuple[Proof | None, str]:
    """Removes our own fields from the form. Returns the proof, and the handle of the secrets that wait."""
    if request.method != "POST" or request.content_type != "application/x-www-form-urlencoded":
        return None, ""
    fields = request.POST.copy()
    way, answer, waiting = (fields.get(name, "") for name in (_WAY, _ANSWER, _WAITING))
    for name in _OURS:
        fields.pop(name, None)
    fields._mutable = False
    request.POST = fields  # type: ignore[assignment]
    if not answer.strip():
        return None, waiting
    bound_to = binding_of(request) if way == "passkey" else ""
    return Proof(way or "authenticator", answer.strip(), bound_to), waiting


def ask(gate: Gate, error: ProofNeeded) -> HttpResponse:
    """The page that asks for the factor. Its form leads on to what was asked for."""
    request = gate.request
    context: dict[str, Any] = {"gate": gate, "form": ProofForm(), "wrong": error.wrong, "action": CONFIRM_PATH}
    context["factors"] = list_factors(UUID(gate.principal.id))
    if request.method in ("GET", "HEAD"):
        context["fields"] = [("next", request.get_full_path())]
    elif _can_be_kept(request):
        context |= {"action": request.get_full_path(), "kept": request.path != CONFIRM_PATH}
        context["fields"] = [(n, v) for n, values in request.POST.lists() for v in values if _may_be_shown(n)]
        context["waiting"] = error.waiting or _keep_secrets(gate)
    else:
        context |= {"fields": [("next", _came_from(request))], "lost": True}
    response = render(request, "console/account/confirm.html", context, status=error.status)
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response


def local_path(wanted: str) -> str:
    """Where to go on: a path of ours and nowhere else."""
    return wanted if wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, None) else "/"


def _can_be_kept(request: HttpRequest) -> bool:
    return request.content_type == "application/x-www-form-urlencoded" and len(request.body) <= KEPT_BYTES


def _may_be_shown(field: str) -> bool:
    return field not in _OURS and not is_secret(field)


def _came_from(request: HttpRequest) -> str:
    return local_path(urlsplit(request.headers.get("Referer", "")).path)


def _keep_secrets(gate: Gate) -> str:
    """Seals the form's passwords into the session for as long as a proof lasts. Returns their handle, or nothing."""
    request = gate.request
    found = {name: values for name, values in request.POST.lists() if is_secret(name)}
    if not found:
        return ""
    handle = secrets.token_urlsafe(16)
    sealed = seal_secret(_PURPOSE, json.dumps(found).encode(), _context(gate, handle))
    kept = list(request.session.get(_IN_SESSION, {}).items())[-_MOST_WAITING + 1 :]
    one = {"until": (now() + PROOF_LASTS).isoformat(), "sealed": base64.b64encode(sealed).decode()}
    request.session[_IN_SESSION] = dict([*kept, (handle, one)])
    return handle


def _put_back(gate: Gate, handle: str) -> None:
    """Adds the secrets that waited to the form, once. Those that waited too long are gone: the form asks again."""
    kept = dict(gate.request.session.get(_IN_SESSION, {}))
    one = kept.pop(handle, None)
    if one is None:
        return
    gate.request.session[_IN_SESSION] = kept
    if datetime.fromisoformat(one["until"]) <= now():
        return
    fields: QueryDict = gate.request.POST.copy()
    opened = open_secret(_PURPOSE, base64.b64decode(one["sealed"]), _context(gate, handle))
    for name, values in json.loads(opened).items():
        fields.setlist(name, values)
    fields._mutable = False
    gate.request.POST = fields  # type: ignore[assignment]


def _context(gate: Gate, handle: str) -> str:
    """What was sealed opens for the same session at the same URL only."""
    return f"{gate.principal.credential} {gate.request.path} {handle}"
