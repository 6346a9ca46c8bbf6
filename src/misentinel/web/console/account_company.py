"""Signing in through one's company. Begun on the sign-in page, answered by the provider, then the second factor.

The session remembers which sign-in this browser began, and only that one's answer is taken: an answer that somebody
else obtained leads nowhere in this browser (login CSRF). A SAML answer is posted by another site, so it arrives without
our cookies; it is kept for the browser that began, which then comes for it with a GET of its own.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from misentinel.kernel.errors import MiSentinelError
from misentinel.kernel.ids import parse_id
from misentinel.teammates.actions import signing_on
from misentinel.teammates.contracts import Permission
from misentinel.teammates.sso.contracts import Onward, SignedOn
from misentinel.trail.contracts import Tag
from misentinel.web.console.account import PasswordForm, half_way_in, next_path
from misentinel.web.console.account_enrolment import ENROLLING
from misentinel.web.console.account_pages import show
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
posts = Routes(Edge.PUBLIC)
_SIGN_ON = "single_sign_on"
_PATH = "sign-in/company/<uuid:connection_id>"


class CompanyForm(forms.Form):
    email = PasswordForm.base_fields["email"]


@routes.post("sign-in/company", needs=Permission.PUBLIC, tag=Tag.SSO_BEGIN, name="sign-in-company")
def begin(gate: Gate) -> HttpResponse:
    """Sends the browser on from a page of its own: our policy lets no form lead to another site."""
    given = CompanyForm(gate.request.POST)
    then = next_path(gate.request)
    if not given.is_valid():
        return _ask_again(gate, then, "Type the e-mail address that you have at your company.", 422)
    try:
        onward = signing_on.begin(gate.actor, given.cleaned_data["email"])
    except MiSentinelError as error:
        return _ask_again(gate, then, error.message, error.status)
    gate.request.session.flush()
    return lead_on(gate, onward, then)


def lead_on(gate: Gate, onward: Onward, then: str) -> HttpResponse:
    """Remembers what this browser began and takes it to the provider."""
    gate.request.session[_SIGN_ON] = {"id": str(onward.id), "next": then}
    response = show(gate, "account/onward.html", {"onward": onward})
    response["Refresh"] = f"0; url={onward.url}"
    return response


@routes.get(f"{_PATH}/callback", needs=Permission.PUBLIC, tag=Tag.SSO_ANSWER, name="sign-in-company-callback")
def answer_oidc(gate: Gate, connection_id: UUID) -> HttpResponse:
    begun, then = _begun(gate.request)
    told = {name: str(gate.request.GET[name]) for name in ("state", "code", "iss", "error") if name in gate.request.GET}
    try:
        done = signing_on.answer_oidc(gate.actor, begun, connection_id, told, tester=gate.principal.id)
    except MiSentinelError as error:
        return _not_in(gate, error)
    return _in(gate, done, then)


@posts.post(f"{_PATH}/acs", needs=Permission.PUBLIC, tag=Tag.SSO_ANSWER, name="sign-in-company-acs")
def answer_saml(gate: Gate, connection_id: UUID) -> HttpResponse:
    state, response = (gate.request.POST.get(name, "") for name in ("RelayState", "SAMLResponse"))
    try:
        signing_on.answer_saml(gate.actor, connection_id, state=state, response=response)
    except MiSentinelError as error:
        return _not_in(gate, error)
    return HttpResponseRedirect(f"/sign-in/company/{connection_id}/return", status=303)


@routes.get(f"{_PATH}/return", needs=Permission.PUBLIC, tag=Tag.SSO_ANSWER, name="sign-in-company-return")
def collect_saml(gate: Gate, connection_id: UUID) -> HttpResponse:
    begun, then = _begun(gate.request)
    try:
        done = signing_on.collect_saml(gate.actor, begun, connection_id, tester=gate.principal.id)
    except MiSentinelError as error:
        return _not_in(gate, error)
    return _in(gate, done, then)


def _begun(request: HttpRequest) -> tuple[UUID | None, str]:
    waiting = request.session.get(_SIGN_ON) or {}
    return parse_id(waiting.get("id", "")), waiting.get("next", "/")


def _in(gate: Gate, done: SignedOn, then: str) -> HttpResponse:
    request = gate.request
    if done.tested:
        del request.session[_SIGN_ON]
        return HttpResponseRedirect(then)
    if done.enrolment_id is not None:
        request.session.flush()
        request.session[ENROLLING] = {"id": str(done.enrolment_id), "email": done.email}
        return HttpResponseRedirect("/enrolment/authenticator")
    return half_way_in(request, done.teammate_id, then)


def _ask_again(gate: Gate, then: str, told: str, status: int) -> HttpResponse:
    form = PasswordForm(initial={"email": gate.request.POST.get("email", "")})
    return show(gate, "account/sign_in.html", {"form": form, "next": then, "told": told}, status=status)


def _not_in(gate: Gate, error: MiSentinelError) -> HttpResponse:
    """Tells what went wrong where one can start again."""
    return show(gate, "account/not_in.html", {"told": error.message}, status=error.status)
