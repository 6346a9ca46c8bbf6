"""The operator's own pages: customers by name, asking to be let in, entering, leaving, and emergencies.

They show nothing of a customer but its name. Nothing here opens a store.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.customers.contracts import Customer
from misentinel.customers.queries import find_customer, search_customers
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.teammates import queries, rules
from misentinel.teammates.actions import operator_access as actions
from misentinel.teammates.contracts import EMERGENCY, LETTABLE, Permission
from misentinel.teammates.contracts.operators import AccessState, AccessView
from misentinel.trail.contracts import Tag
from misentinel.web import identity
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_NEEDS = Permission.OPERATE
HOURS = [("60", "1 hour"), ("240", "4 hours"), ("480", "8 hours"), ("1440", "24 hours")]
_OPEN = (AccessState.ASKED, AccessState.LIVE)


class QuestionForm(forms.Form):
    """What the customer reads when it decides."""

    reason = forms.CharField(
        max_length=500, widget=forms.Textarea({"rows": 3}),
        help_text="The customer decides by this sentence, and it stays on their trail. Name the ticket.",
    )  # fmt: skip
    minutes = forms.TypedChoiceField(label="For", choices=HOURS, coerce=int)
    changes = forms.BooleanField(label="Also change things, not only look", required=False)


class EmergencyForm(forms.Form):
    why = forms.CharField(
        label="What happened, and why the customer cannot answer", max_length=500, widget=forms.Textarea({"rows": 3})
    )


@routes.get("operator", needs=_NEEDS, tag=Tag.CUSTOMER_LIST, name="operator")
def home(gate: Gate) -> HttpResponse:
    text = gate.request.GET.get("q", "").strip()[:120]
    own = queries.list_own_accesses(UUID(gate.principal.id))
    found = search_customers(text)
    gate.looks_at(object_kind="customer", count=len(found))
    context = {
        "q": text,
        "customers": found,
        "open": [_row(view) for view in own if view.state in _OPEN],
        "over": [_row(view) for view in own if view.state not in _OPEN][:20],
        "unconfirmed": [_row(view) for view in queries.list_unconfirmed(UUID(gate.principal.id))],
        "inside": gate.principal.access if gate.principal.customer_id else "",
    }
    return render(gate, "console/operator/home.html", context)


@routes.get("operator/customers/<uuid:customer_id>", needs=_NEEDS, tag=Tag.CUSTOMER_SHOW, name="operator-customer")
def customer(gate: Gate, customer_id: UUID) -> HttpResponse:
    return _page(gate, _customer(gate, customer_id), QuestionForm(), frozenset())


@routes.post("operator/customers/<uuid:customer_id>", needs=_NEEDS, tag=Tag.ACCESS_ASK, name="operator-customer")
def ask(gate: Gate, customer_id: UUID) -> HttpResponse:
    found = _customer(gate, customer_id)
    form = QuestionForm(gate.request.POST)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    if not form.is_valid():
        return _page(gate, found, form, wanted, status=422)
    given = form.cleaned_data
    try:
        actions.ask_for_access(
            gate.actor, found.id, reason=given["reason"], permissions=wanted, minutes=given["minutes"],
            looks_only=not given["changes"],
        )  # fmt: skip
    except (Invalid, Conflict) as error:
        form.add_error(None, error.message)
        return _page(gate, found, form, wanted, status=error.status)
    flash.success(gate.request, f"{found.name} has been asked.")
    return redirect("operator")


@routes.post(
    "operator/customers/<uuid:customer_id>/emergency", needs=_NEEDS, tag=Tag.ACCESS_BREAK_GLASS,
    name="operator-emergency", fresh=True,
)  # fmt: skip
def emergency(gate: Gate, customer_id: UUID) -> HttpResponse:
    found = _customer(gate, customer_id)
    form = EmergencyForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, found, QuestionForm(), frozenset(), emergency=form, status=422)
    try:
        actions.ask_emergency(gate.actor, found.id, reason=form.cleaned_data["why"])
    except (Invalid, Conflict) as error:
        form.add_error(None, error.message)
        return _page(gate, found, QuestionForm(), frozenset(), emergency=form, status=error.status)
    flash.warning(gate.request, "Another operator must confirm this within an hour. The customer sees that you asked.")
    return redirect("operator")


@routes.post(
    "operator/accesses/<uuid:access_id>/confirm", needs=_NEEDS, tag=Tag.ACCESS_BREAK_GLASS, name="operator-confirm",
    fresh=True,
)  # fmt: skip
def confirm(gate: Gate, access_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="operator_access", object_id=access_id)
    try:
        actions.confirm_emergency(gate.actor, access_id)
    except Conflict as error:
        flash.error(gate.request, error.message)
    return redirect("operator")


@routes.post(
    "operator/accesses/<uuid:access_id>/enter", needs=_NEEDS, tag=Tag.ACCESS_ENTER, name="operator-enter", fresh=True
)
def enter(gate: Gate, access_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="operator_access", object_id=access_id)
    try:
        turn = actions.enter(gate.actor, access_id)
    except Conflict as error:
        raise Refused(error.message) from error
    identity.change_key(gate.request, turn)
    return redirect("overview")


@routes.post("operator/leave", needs=_NEEDS, tag=Tag.ACCESS_LEAVE, name="operator-leave")
def leave(gate: Gate) -> HttpResponse:
    identity.change_key(gate.request, actions.leave(gate.actor))
    return redirect("operator")


@routes.post("operator/accesses/<uuid:access_id>/withdraw", needs=_NEEDS, tag=Tag.ACCESS_END, name="operator-withdraw")
def withdraw(gate: Gate, access_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="operator_access", object_id=access_id)
    try:
        actions.withdraw_access(gate.actor, access_id)
    except Conflict as error:
        flash.error(gate.request, error.message)
    return redirect("operator")


def _customer(gate: Gate, customer_id: UUID) -> Customer:
    gate.looks_at(object_kind="customer", object_id=customer_id)
    found = find_customer(customer_id)
    if found is None or found.closed_at is not None:
        raise NotFound("There is no such customer.")
    return found


def _row(view: AccessView) -> dict[str, Any]:
    found = find_customer(view.customer_id)
    return {"access": view, "customer": found.name if found else "A closed customer"}


def _page(
    gate: Gate,
    found: Customer,
    form: QuestionForm,
    wanted: frozenset[Permission],
    *,
    emergency: EmergencyForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "customer": found,
        "form": form,
        "emergency": emergency or EmergencyForm(),
        "emergency_scope": [p for p in Permission if p in EMERGENCY],
        "choices": [{"permission": p, "chosen": p in wanted} for p in Permission if p in LETTABLE],
        "accesses": queries.list_own_accesses(UUID(gate.principal.id), found.id),
    }
    return render(gate, "console/operator/customer.html", context, status=status)
