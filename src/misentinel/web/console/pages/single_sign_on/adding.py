"""Adding a connection."""

from __future__ import annotations

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import MiSentinelError, NotFound
from misentinel.teammates.actions import connecting
from misentinel.teammates.sso.contracts import ConnectionView
from misentinel.trail.contracts import Tag
from misentinel.web.console.pages.single_sign_on.forms import FORMS, KINDS
from misentinel.web.console.pages.single_sign_on.reading import NEEDS, PATH
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate


@routes.get(f"{PATH}/new/<str:kind>", needs=NEEDS, tag=Tag.SSO_VIEW, name="connection-new")
def ask(gate: Gate, kind: str) -> HttpResponse:
    return _page(gate, _known(kind), FORMS[_known(kind)]())


@routes.post(f"{PATH}/new/<str:kind>", needs=NEEDS, tag=Tag.SSO_EDIT, name="connection-new", fresh=True)
def add(gate: Gate, kind: str) -> HttpResponse:
    form = FORMS[_known(kind)](gate.request.POST)
    if not form.is_valid():
        return _page(gate, kind, form, status=422)
    try:
        made = _add(gate, kind, form.cleaned_data)
    except MiSentinelError as error:
        form.add_error(None, error.message)
        return _page(gate, kind, form, status=error.status)
    flash.success(gate.request, "The connection is made. Make us known at your provider next, then test it.")
    return redirect("connection", connection_id=made.id)


def _add(gate: Gate, kind: str, given: dict[str, str]) -> ConnectionView:
    if kind == "saml":
        return connecting.add_saml(gate.actor, gate.customer_id, **given)
    return connecting.add_oidc(gate.actor, gate.customer_id, google=kind == "google", **given)


def _known(kind: str) -> str:
    if kind not in FORMS:
        raise NotFound("There is no such kind of connection.")
    return kind


def _page(gate: Gate, kind: str, form: forms.Form, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "kind": kind, "title": KINDS[kind]}
    return render(gate, "console/single_sign_on/new.html", context, status=status)
