"""One's own password: changed because one wants to, or because somebody else may know it."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.errors import Invalid, TooMany
from misentinel.teammates import actions
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_enrolment import NewPasswordForm
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
MUST_CHOOSE = "/sign-in/new-password"


class ChangeForm(NewPasswordForm):
    field_order = ("current_password", "password", "repeated")
    current_password = forms.CharField(
        max_length=1024, strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
    )

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.fields["password"].label = "New password"


@routes.get("account/password", needs=Permission.SIGNED_IN, tag=Tag.FACTOR_VIEW, name="password", fresh=True)
def change_form(gate: Gate) -> HttpResponse:
    return show(gate, "account/password.html", {"form": ChangeForm()})


@routes.post("account/password", needs=Permission.SIGNED_IN, tag=Tag.PASSWORD_CHANGE, name="password", fresh=True)
def change(gate: Gate) -> HttpResponse:
    form = ChangeForm(gate.request.POST)
    if not _agree(form):
        return show(gate, "account/password.html", {"form": form}, status=422)
    given = form.cleaned_data
    try:
        actions.change_password(
            gate.actor, UUID(gate.principal.id), UUID(gate.principal.credential), given["current_password"],
            given["password"],
        )  # fmt: skip
    except (Invalid, TooMany) as error:
        return try_again(gate, "account/password.html", {"form": form}, error)
    flash.success(gate.request, "Your password was changed. Every other session has ended.")
    return HttpResponseRedirect("/account/factors")


@routes.get("sign-in/new-password", needs=Permission.PUBLIC, tag=Tag.FACTOR_VIEW, name="new-password")
def must_choose(gate: Gate) -> HttpResponse:
    if not _has_to(gate):
        return HttpResponseRedirect("/sign-in")
    return show(gate, "account/new_password.html", {"form": NewPasswordForm()})


@routes.post("sign-in/new-password", needs=Permission.PUBLIC, tag=Tag.PASSWORD_CHANGE, name="new-password")
def choose(gate: Gate) -> HttpResponse:
    if not _has_to(gate):
        return HttpResponseRedirect("/sign-in")
    form = NewPasswordForm(gate.request.POST)
    if not _agree(form):
        return show(gate, "account/new_password.html", {"form": form}, status=422)
    try:
        actions.replace_compromised_password(
            gate.actor, UUID(gate.principal.id), UUID(gate.principal.credential), form.cleaned_data["password"]
        )
    except Invalid as error:
        return try_again(gate, "account/new_password.html", {"form": form}, error)
    return HttpResponseRedirect("/")


def _has_to(gate: Gate) -> bool:
    """Whether this is a whole, live session that only waits for a new password."""
    return gate.principal.why_not == "password_compromised"


def _agree(form: forms.Form) -> bool:
    if form.is_valid() and form.cleaned_data["password"] != form.cleaned_data["repeated"]:
        form.add_error("repeated", "This is not the same as above.")
    return form.is_valid()
