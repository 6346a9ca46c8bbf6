"""Passkeys before there is a session: signing in with one, or adding one while enrolling.

Each ceremony is two requests. The first answers with what the browser shall ask the device for (JSON); the second is a
form with what the device signed. The challenge between them is bound to the browser's server-side session.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from misentinel.kernel.errors import Conflict, Invalid, NotSignedIn
from misentinel.teammates import actions
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account import CodeForm, PasswordForm, code_context, half_way, let_in, next_path
from misentinel.web.console.account_device import device_of
from misentinel.web.console.account_enrolment import FirstCodeForm, authenticator_context, enrolling
from misentinel.web.console.account_pages import show
from misentinel.web.gate import Edge, Gate, Routes
from misentinel.web.passkeys import binding_of

routes = Routes(Edge.CONSOLE)
_MADE_WITHOUT_US = "Your browser sent no passkey. It has to run scripts for this; or choose another way."


class AnswerForm(forms.Form):
    """What a device signed, as JSON, put here by `passkeys.js`."""

    answer = forms.CharField(max_length=32 * 1024, strip=False)
    name = forms.CharField(max_length=60, required=False)


def answer_in(request: HttpRequest) -> tuple[str, str]:
    """Returns what the device signed, and the name that its owner gave it. Raises `Invalid` where there is none."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        raise Invalid(_MADE_WITHOUT_US if "answer" in form.errors else "A passkey's name has 1 to 60 characters.")
    return form.cleaned_data["answer"], form.cleaned_data["name"]


@routes.post("sign-in/passkey/options", needs=Permission.PUBLIC, tag=Tag.SIGN_IN_VIEW, name="sign-in-passkey-options")
def ask_for_any(gate: Gate) -> HttpResponse:
    return JsonResponse(actions.begin_with_passkey(binding_of(gate.request)))


@routes.post("sign-in/passkey", needs=Permission.PUBLIC, tag=Tag.SIGN_IN_SUCCEED, name="sign-in-passkey")
def sign_in(gate: Gate) -> HttpResponse:
    request = gate.request
    try:
        answer, _ = answer_in(request)
        session = actions.check_passkey(gate.actor, binding_of(request), answer, device=device_of(request))
    except (Invalid, NotSignedIn) as error:
        context = {"form": PasswordForm(), "next": next_path(request), "error": error.message}
        return show(gate, "account/sign_in.html", context, status=422)
    goes_to = next_path(request)
    let_in(request, session)
    return HttpResponseRedirect(goes_to)


@routes.post("sign-in/code/passkey/options", needs=Permission.PUBLIC, tag=Tag.FACTOR_VIEW, name="code-passkey-options")
def ask_for_ones_own(gate: Gate) -> HttpResponse:
    waiting = half_way(gate.request)
    if waiting is None:
        raise NotSignedIn("Sign in from the start.")
    return JsonResponse(actions.begin_with_passkey(binding_of(gate.request), waiting[0]))


@routes.post("sign-in/code/passkey", needs=Permission.PUBLIC, tag=Tag.SIGN_IN_SUCCEED, name="code-passkey")
def second_factor(gate: Gate) -> HttpResponse:
    request = gate.request
    waiting = half_way(request)
    if waiting is None:
        return HttpResponseRedirect("/sign-in")
    teammate_id, goes_to = waiting
    try:
        answer, _ = answer_in(request)
        session = actions.check_passkey(
            gate.actor, binding_of(request), answer, device=device_of(request), teammate_id=teammate_id
        )
    except (Invalid, NotSignedIn) as error:
        context = {**code_context(CodeForm(), teammate_id), "error": error.message}
        return show(gate, "account/code.html", context, status=422)
    let_in(request, session)
    return HttpResponseRedirect(goes_to)


@routes.post("enrolment/passkey/options", needs=Permission.PUBLIC, tag=Tag.FACTOR_VIEW, name="enrol-passkey-options")
def make_first(gate: Gate) -> HttpResponse:
    enrolment_id, _ = enrolling(gate.request)
    return JsonResponse(actions.passkey_options(enrolment_id, binding_of(gate.request)))


@routes.post("enrolment/passkey", needs=Permission.PUBLIC, tag=Tag.FACTOR_ENROL, name="enrol-passkey")
def enrol(gate: Gate) -> HttpResponse:
    """Answers with the recovery codes, which no later request can show."""
    request = gate.request
    enrolment_id, email = enrolling(request)
    try:
        answer, name = answer_in(request)
        enrolled, session = actions.complete_enrolment_with_passkey(
            gate.actor, enrolment_id, binding_of(request), answer, name, device=device_of(request)
        )
    except (Invalid, Conflict) as error:
        context = {**authenticator_context(enrolment_id, email, FirstCodeForm()), "error": error.message}
        return show(gate, "account/authenticator.html", context, status=422)
    let_in(request, session)
    return show(gate, "account/recovery_codes.html", {"codes": enrolled.recovery_codes, "step": "Step 3 of 3. "})
