"""Signing in and out.

Thin: what proves a person lives in `misentinel.teammates`. Between password and code the server-side session
remembers who is half-way in, for five minutes; nothing but the code page is open to them. The session's key
changes with each step.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotSignedIn, TooMany
from misentinel.teammates import actions, queries
from misentinel.teammates.actions.operator_access import leave
from misentinel.teammates.contracts import Permission, Session
from misentinel.trail.contracts import Tag
from misentinel.web import devices
from misentinel.web.console.account_device import device_of
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes
from misentinel.web.identity import SESSION_KEY
from misentinel.web.step_up import local_path

routes = Routes(Edge.CONSOLE)
_HALF_WAY = "half_way_in"
_HALF_WAY_LASTS = timedelta(minutes=5)


class PasswordForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput({"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(
        max_length=1024, strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40, help_text="Six digits from your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput({"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )  # fmt: skip


@routes.get("sign-in", needs=Permission.PUBLIC, tag=Tag.SIGN_IN_VIEW, name="sign-in")
def sign_in(gate: Gate) -> HttpResponse:
    if gate.may(Permission.SIGNED_IN):
        return HttpResponseRedirect("/")
    if gate.principal.why_not == "password_compromised":
        return HttpResponseRedirect("/sign-in/new-password")
    return show(gate, "account/sign_in.html", {"form": PasswordForm(), "next": next_path(gate.request)})


@routes.post("sign-in", needs=Permission.PUBLIC, tag=Tag.SIGN_IN_PASSWORD, name="sign-in")
def give_password(gate: Gate) -> HttpResponse:
    form = PasswordForm(gate.request.POST)
    context = {"form": form, "next": next_path(gate.request)}
    if not form.is_valid():
        return show(gate, "account/sign_in.html", context, status=422)
    try:
        teammate_id = actions.check_password(gate.actor, form.cleaned_data["email"], form.cleaned_data["password"])
    except (NotSignedIn, TooMany) as error:
        return try_again(gate, "account/sign_in.html", context, error)
    return half_way_in(gate.request, teammate_id, str(context["next"]))


@routes.get("sign-in/code", needs=Permission.PUBLIC, tag=Tag.FACTOR_VIEW, name="sign-in-code")
def ask_code(gate: Gate) -> HttpResponse:
    waiting = half_way(gate.request)
    if waiting is None:
        return HttpResponseRedirect("/sign-in")
    return show(gate, "account/code.html", code_context(CodeForm(), waiting[0]))


@routes.post("sign-in/code", needs=Permission.PUBLIC, tag=Tag.SIGN_IN_SUCCEED, name="sign-in-code")
def give_code(gate: Gate) -> HttpResponse:
    waiting = half_way(gate.request)
    if waiting is None:
        return HttpResponseRedirect("/sign-in")
    form = CodeForm(gate.request.POST)
    teammate_id, goes_to = waiting
    context = code_context(form, teammate_id)
    if not form.is_valid():
        return show(gate, "account/code.html", context, status=422)
    try:
        session = actions.check_code(gate.actor, teammate_id, form.cleaned_data["code"], device=device_of(gate.request))
    except (NotSignedIn, TooMany) as error:
        return try_again(gate, "account/code.html", context, error)
    let_in(gate.request, session)
    return HttpResponseRedirect(goes_to)


@routes.post("sign-out", needs=Permission.SIGNED_IN, tag=Tag.SIGN_OUT, name="sign-out")
def sign_out(gate: Gate) -> HttpResponse:
    if gate.principal.kind is ActorKind.OPERATOR:
        leave(gate.actor)
    actions.sign_out(gate.actor, gate.employer_id, UUID(gate.principal.credential))
    gate.request.session.flush()
    # Pages that the browser keeps for its Back button go as well. What we store beside them is the choice of theme.
    return HttpResponseRedirect("/sign-in", headers={"Clear-Site-Data": '"cache"'})


def half_way_in(request: HttpRequest, teammate_id: UUID, onward: str) -> HttpResponse:
    """Remembers who has shown their first factor, under a new session key, and asks for the second."""
    request.session.flush()
    request.session[_HALF_WAY] = {
        "teammate": str(teammate_id), "until": (now() + _HALF_WAY_LASTS).isoformat(), "next": onward
    }  # fmt: skip
    return HttpResponseRedirect("/sign-in/code")


def let_in(request: HttpRequest, session: Session) -> None:
    """Gives the browser a new session key and CSRF token, bound to `session` (ASVS 5.0, 7.2.4)."""
    request.session.flush()
    request.session[SESSION_KEY] = str(session.id)
    rotate_token(request)
    devices.recognise(request, session)


def code_context(form: forms.Form, teammate_id: UUID) -> dict[str, object]:
    """What the page of the second factor shows, to one who gave the right password."""
    return {"form": form, "factors": queries.list_factors(teammate_id)}


def half_way(request: HttpRequest) -> tuple[UUID, str] | None:
    """Returns who gave their password in this session within five minutes, and where they want to go."""
    waiting = request.session.get(_HALF_WAY)
    if not waiting or datetime.fromisoformat(waiting["until"]) <= now():
        return None
    return UUID(waiting["teammate"]), waiting["next"]


def next_path(request: HttpRequest) -> str:
    """Where to go after signing in: a path of ours and nowhere else."""
    return local_path(str(request.POST.get("next") or request.GET.get("next") or "/"))
