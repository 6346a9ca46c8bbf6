"""Enrolling through a one-time link: password, authenticator, recovery codes, console.

The link's token leaves the address bar with the first answer; the server-side session holds the enrolment's id from
then on. Looking at the link changes nothing, so that mail scanners that open it do no harm.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from misentinel.kernel.actor import OPERATOR_ID
from misentinel.kernel.errors import Invalid, NotFound, TooMany
from misentinel.kernel.ids import parse_id
from misentinel.store.queries import get_store
from misentinel.teammates import actions, queries, second_factor
from misentinel.teammates.contracts import EnrolmentView, Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account import let_in
from misentinel.web.console.account_device import device_of
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
ENROLLING = "enrolling"
_GONE = "This link was used, has expired, or was replaced. Ask whoever manages your teammates for a new one."


class NewPasswordForm(forms.Form):
    password = forms.CharField(
        max_length=1024, strip=False, help_text="At least 15 characters. A few unrelated words make a good one.",
        widget=forms.PasswordInput({"autocomplete": "new-password", "autofocus": True}),
    )  # fmt: skip
    repeated = forms.CharField(
        label="The same once more", max_length=1024, strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )  # fmt: skip


class FirstCodeForm(forms.Form):
    code = forms.CharField(
        max_length=10, help_text="The six digits that the app shows now.",
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )  # fmt: skip


@routes.get("enrol/<str:token>", needs=Permission.PUBLIC, tag=Tag.ENROLMENT_VIEW, name="enrol")
def enrol(gate: Gate, token: str) -> HttpResponse:
    found = _find(gate, token)
    return show(gate, "account/enrol.html", {"form": NewPasswordForm(), "enrolment": found})


@routes.post("enrol/<str:token>", needs=Permission.PUBLIC, tag=Tag.PASSWORD_CHANGE, name="enrol")
def choose_password(gate: Gate, token: str) -> HttpResponse:
    found = _find(gate, token)
    form = NewPasswordForm(gate.request.POST)
    context = {"form": form, "enrolment": found}
    if form.is_valid() and form.cleaned_data["password"] != form.cleaned_data["repeated"]:
        form.add_error("repeated", "This is not the same as above.")
    if not form.is_valid():
        return show(gate, "account/enrol.html", context, status=422)
    try:
        actions.choose_password(gate.actor, found.id, form.cleaned_data["password"])
    except Invalid as error:
        return try_again(gate, "account/enrol.html", context, error)
    gate.request.session.flush()
    gate.request.session[ENROLLING] = {"id": str(found.id), "email": found.email}
    return HttpResponseRedirect("/enrolment/authenticator")


@routes.get("enrolment/authenticator", needs=Permission.PUBLIC, tag=Tag.FACTOR_VIEW, name="enrol-factor")
def show_authenticator(gate: Gate) -> HttpResponse:
    enrolment_id, email = enrolling(gate.request)
    return show(gate, "account/authenticator.html", authenticator_context(enrolment_id, email, FirstCodeForm()))


@routes.post("enrolment/authenticator", needs=Permission.PUBLIC, tag=Tag.FACTOR_ENROL, name="enrol-factor")
def complete(gate: Gate) -> HttpResponse:
    """Answers with the recovery codes, which no later request can show."""
    enrolment_id, email = enrolling(gate.request)
    form = FirstCodeForm(gate.request.POST)
    context = authenticator_context(enrolment_id, email, form)
    if not form.is_valid():
        return show(gate, "account/authenticator.html", context, status=422)
    try:
        enrolled, session = actions.complete_enrolment(
            gate.actor, enrolment_id, form.cleaned_data["code"], device=device_of(gate.request)
        )
    except (Invalid, TooMany) as error:
        return try_again(gate, "account/authenticator.html", context, error)
    let_in(gate.request, session)
    return show(gate, "account/recovery_codes.html", {"codes": enrolled.recovery_codes, "step": "Step 3 of 3. "})


def _find(gate: Gate, token: str) -> EnrolmentView:
    found = queries.find_enrolment(token)
    if found is None:
        raise NotFound(_GONE)
    if found.customer_id != OPERATOR_ID:
        gate.belongs_to(get_store(found.customer_id))
    gate.looks_at(object_kind="teammate", object_id=found.teammate_id)
    return found


def enrolling(request: HttpRequest) -> tuple[UUID, str]:
    waiting = request.session.get(ENROLLING) or {}
    enrolment_id = parse_id(waiting.get("id", ""))
    if enrolment_id is None:
        raise NotFound(_GONE)
    return enrolment_id, waiting["email"]


def authenticator_context(enrolment_id: UUID, email: str, form: FirstCodeForm) -> dict[str, object]:
    seed = actions.totp_seed(enrolment_id)
    return {
        "form": form,
        "qr": second_factor.qr_data_uri(second_factor.provisioning_uri(email, seed)),
        "seed": second_factor.spaced(seed),
    }
