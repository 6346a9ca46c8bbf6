"""The customer's side: whom of the operator's staff it lets in, for what and how long; ended by one click."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse
from django.urls import reverse

from misentinel.customers.queries import get_customer
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.kernel.ids import parse_id
from misentinel.teammates import queries, rules
from misentinel.teammates.actions import operator_access as actions
from misentinel.teammates.contracts import LETTABLE, Permission
from misentinel.teammates.contracts.operators import AccessState, AccessView
from misentinel.trail.contracts import Tag
from misentinel.web.console.naming import Names
from misentinel.web.console.pages.operator import HOURS
from misentinel.web.console.presence import presence_of
from misentinel.web.console.rendering import fragment, redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_NEEDS = Permission.SECURITY_SETTINGS


class AccessForm(forms.Form):
    """An access that nobody asked for, to somebody the customer names."""

    operator = forms.ChoiceField(label="Who")
    reason = forms.CharField(label="What for", max_length=500, widget=forms.Textarea({"rows": 2}))
    minutes = forms.TypedChoiceField(label="For", choices=HOURS, coerce=int)
    changes = forms.BooleanField(label="Let them change things, not only look", required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="give-%s")
        staff = [o for o in queries.list_operators() if o.enrolled_at and not o.suspended_at]
        self.fields["operator"].choices = [(str(o.id), o.name) for o in staff]  # type: ignore[attr-defined]


@routes.get("settings/operator-access", needs=_NEEDS, tag=Tag.ACCESS_LIST, name="operator-access")
def list_all(gate: Gate) -> HttpResponse:
    return _page(gate, AccessForm(), frozenset())


@routes.post("settings/operator-access", needs=_NEEDS, tag=Tag.ACCESS_GIVE, name="operator-access", fresh=True)
def give_unasked(gate: Gate) -> HttpResponse:
    form = AccessForm(gate.request.POST)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    if not form.is_valid():
        return _page(gate, form, wanted, status=422)
    given = form.cleaned_data
    try:
        actions.give_unasked(
            gate.actor, gate.customer_id, parse_id(given["operator"]) or gate.customer_id, reason=given["reason"],
            permissions=wanted, minutes=given["minutes"], looks_only=not given["changes"],
        )  # fmt: skip
    except (Invalid, Conflict, NotFound) as error:
        form.add_error(None, error.message)
        return _page(gate, form, wanted, status=error.status)
    flash.success(gate.request, "Access given. You see here and at the top of every page when it is used.")
    return redirect("operator-access")


@routes.post(
    "settings/operator-access/<uuid:access_id>/give", needs=_NEEDS, tag=Tag.ACCESS_GIVE, name="operator-access-give",
    fresh=True,
)  # fmt: skip
def give(gate: Gate, access_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="operator_access", object_id=access_id)
    minutes = gate.request.POST.get("minutes", "")
    try:
        actions.give_access(
            gate.actor, gate.customer_id, access_id,
            permissions=rules.parse_permissions(gate.request.POST.getlist("permissions")),
            minutes=int(minutes) if minutes.isascii() and minutes.isdecimal() and len(minutes) < 6 else 0,
            looks_only=gate.request.POST.get("changes") != "on",
        )  # fmt: skip
        flash.success(gate.request, "Access given. You see here and at the top of every page when it is used.")
    except (Invalid, Conflict) as error:
        flash.error(gate.request, error.message)
    return redirect("operator-access")


@routes.post(
    "settings/operator-access/<uuid:access_id>/decline", needs=_NEEDS, tag=Tag.ACCESS_DECLINE,
    name="operator-access-decline",
)  # fmt: skip
def decline(gate: Gate, access_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="operator_access", object_id=access_id)
    try:
        actions.decline_access(gate.actor, gate.customer_id, access_id)
        flash.success(gate.request, "Declined.")
    except Conflict as error:
        flash.error(gate.request, error.message)
    return redirect("operator-access")


@routes.post(
    "settings/operator-access/<uuid:access_id>/end", needs=_NEEDS, tag=Tag.ACCESS_END, name="operator-access-end"
)
def end(gate: Gate, access_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="operator_access", object_id=access_id)
    try:
        actions.end_access(gate.actor, gate.customer_id, access_id)
        flash.success(gate.request, "Ended. From their next request on they see nothing of yours.")
    except Conflict as error:
        flash.error(gate.request, error.message)
    return redirect("operator-access")


@routes.get(
    "operator-access/presence", needs=Permission.SIGNED_IN, tag=Tag.ACCESS_LIST, name="operator-presence",
    background=True,
)  # fmt: skip
def presence(gate: Gate) -> HttpResponse:
    """The banner, for a page that shows an older one. An operator who is no longer inside is sent off the page."""
    if gate.principal.customer_id is None:
        return HttpResponse(headers={"HX-Redirect": reverse("operator")})
    found = presence_of(gate)
    if gate.request.GET.get("seen") == found.digest:
        return HttpResponse(status=204)
    gate.looks_at(object_kind="operator_access", count=len(found.lines))
    customer = get_customer(gate.customer_id)
    return fragment(gate, "console/parts/presence.html", {"presence": found, "customer_name": customer.name})


def _page(gate: Gate, form: AccessForm, wanted: frozenset[Permission], *, status: int = 200) -> HttpResponse:
    found = queries.list_accesses(gate.customer_id)
    gate.looks_at(object_kind="operator_access", count=len(found))
    names = Names(gate.customer_id)
    states = (AccessState.ASKED, AccessState.LIVE)
    held = gate.principal.permissions
    context = {
        "questions": [_question(view, held) for view in found if view.state is AccessState.ASKED],
        "live": [_told(view, names) for view in found if view.state is AccessState.LIVE],
        "over": [_told(view, names) for view in found if view.state not in states],
        "form": form,
        "choices": [{"permission": p, "chosen": p in wanted} for p in Permission if p in LETTABLE & held],
        "may_trail": gate.may(Permission.TRAIL),
    }
    return render(gate, "console/settings/operator_access.html", context, status=status)


def _question(view: AccessView, held: frozenset[Permission]) -> dict[str, Any]:
    return {
        "access": view,
        "hours": [(value, told, int(value) == view.minutes) for value, told in HOURS if int(value) <= view.minutes],
        "choices": [{"permission": p, "chosen": p in held, "fixed": p not in held} for p in _ordered(view.permissions)],
    }


def _told(view: AccessView, names: Names) -> dict[str, Any]:
    given_by = str(view.given_by or "")
    return {
        "access": view,
        "permissions": _ordered(view.permissions),
        "given_by": names.teammates.get(given_by) or names.operators.get(given_by, ""),
        "trail": f"{reverse('trail')}?{urlencode({'access': str(view.id)})}",
    }


def _ordered(permissions: frozenset[Permission]) -> list[Permission]:
    return [permission for permission in Permission if permission in permissions]
