"""The way back for a teammate who lost every factor; see `teammates/actions/recovering.py` for what makes it safe."""

from __future__ import annotations

from django import forms
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel import settings
from misentinel.kernel.actor import OPERATOR_ID
from misentinel.kernel.errors import Conflict, NotFound, NotSignedIn, Refused, TooMany
from misentinel.store.queries import get_store
from misentinel.teammates import actions
from misentinel.teammates.contracts import Permission, RecoveryView
from misentinel.teammates.queries import recovery_by_link, recovery_to_stop
from misentinel.trail.contracts import Tag
from misentinel.web.console.account import half_way
from misentinel.web.console.account_device import device_of
from misentinel.web.console.account_enrolment import ENROLLING
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_GONE = "This link was used, has expired, or was stopped."


class KnownPasswordForm(forms.Form):
    password = forms.CharField(
        max_length=1024, strip=False, help_text="The one you have: only your second factor is replaced.",
        widget=forms.PasswordInput({"autocomplete": "current-password", "autofocus": True}),
    )  # fmt: skip


@routes.get("sign-in/recovery", needs=Permission.PUBLIC, tag=Tag.RECOVERY_VIEW, name="recovery")
def explain(gate: Gate) -> HttpResponse:
    if half_way(gate.request) is None:
        return HttpResponseRedirect("/sign-in")
    return show(gate, "account/recovery.html", {"hours": settings.load().recovery_wait_hours})


@routes.post("sign-in/recovery", needs=Permission.PUBLIC, tag=Tag.RECOVERY_ASK, name="recovery")
def ask(gate: Gate) -> HttpResponse:
    """Answers with the asker's link, which no later request can show."""
    waiting = half_way(gate.request)
    if waiting is None:
        return HttpResponseRedirect("/sign-in")
    context: dict[str, object] = {"hours": settings.load().recovery_wait_hours}
    try:
        path = actions.ask_recovery(gate.actor, waiting[0], device=device_of(gate.request))
    except Conflict as error:
        return show(gate, "account/recovery.html", {**context, "error": error.message}, status=409)
    gate.request.session.flush()
    return show(gate, "account/recovery_link.html", {**context, "link": settings.load().base_url + path})


@routes.get("recover/<str:token>", needs=Permission.PUBLIC, tag=Tag.RECOVERY_VIEW, name="recover")
def follow(gate: Gate, token: str) -> HttpResponse:
    return show(gate, "account/recover.html", {"form": KnownPasswordForm(), "recovery": _find(gate, token)})


@routes.post("recover/<str:token>", needs=Permission.PUBLIC, tag=Tag.RECOVERY_VIEW, name="recover")
def give_password(gate: Gate, token: str) -> HttpResponse:
    found = _find(gate, token)
    form = KnownPasswordForm(gate.request.POST)
    context = {"form": form, "recovery": found}
    if not form.is_valid():
        return show(gate, "account/recover.html", context, status=422)
    try:
        enrolment_id = actions.begin_recovery(gate.actor, token, form.cleaned_data["password"])
    except (NotSignedIn, TooMany, Conflict, Refused) as error:
        return try_again(gate, "account/recover.html", context, error)
    gate.request.session.flush()
    gate.request.session[ENROLLING] = {"id": str(enrolment_id), "email": found.email}
    return HttpResponseRedirect("/enrolment/authenticator")


@routes.get("recover/stop/<str:token>", needs=Permission.PUBLIC, tag=Tag.RECOVERY_VIEW, name="recovery-stop")
def ask_to_stop(gate: Gate, token: str) -> HttpResponse:
    return show(gate, "account/recovery_stop.html", {"recovery": _known(gate, recovery_to_stop(token))})


@routes.post("recover/stop/<str:token>", needs=Permission.PUBLIC, tag=Tag.RECOVERY_CANCEL, name="recovery-stop")
def stop(gate: Gate, token: str) -> HttpResponse:
    _known(gate, recovery_to_stop(token))
    actions.stop_recovery(gate.actor, token)
    return show(gate, "account/recovery_stop.html", {"stopped": True})


def _find(gate: Gate, token: str) -> RecoveryView:
    return _known(gate, recovery_by_link(token))


def _known(gate: Gate, found: RecoveryView | None) -> RecoveryView:
    if found is None:
        raise NotFound(_GONE)
    if found.customer_id != OPERATOR_ID:
        gate.belongs_to(get_store(found.customer_id))
    gate.looks_at(object_kind="teammate", object_id=found.teammate_id)
    return found
