"""One's own name, e-mail address, and the notices about one's account."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages as flash
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.actor import OPERATOR_ID
from misentinel.kernel.errors import Conflict, Invalid, NotFound, TooMany
from misentinel.store.queries import get_store
from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import EmailChangeView, Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.SIGNED_IN
_GONE = "This link was used, has expired, or was replaced."


class NameForm(forms.Form):
    name = forms.CharField(max_length=120, widget=forms.TextInput({"autocomplete": "name"}))


class EmailForm(forms.Form):
    email = forms.EmailField(
        label="New e-mail address", max_length=254, widget=forms.EmailInput({"autocomplete": "email"}),
        help_text="A link is sent there. Your address changes once it is opened, within an hour.",
    )  # fmt: skip


@routes.get("account/profile", needs=_NEEDS, tag=Tag.TEAMMATE_VIEW, name="profile")
def profile(gate: Gate) -> HttpResponse:
    return show(gate, "account/profile.html", _context(gate))


@routes.post("account/profile", needs=_NEEDS, tag=Tag.TEAMMATE_EDIT, name="profile")
def change_name(gate: Gate) -> HttpResponse:
    form = NameForm(gate.request.POST)
    context = {**_context(gate), "form": form}
    if not form.is_valid():
        return show(gate, "account/profile.html", context, status=422)
    try:
        actions.change_name(gate.actor, gate.employer_id, UUID(gate.principal.id), form.cleaned_data["name"])
    except Invalid as error:
        return try_again(gate, "account/profile.html", context, error)
    flash.success(gate.request, "Saved.")
    return HttpResponseRedirect("/account/profile")


@routes.post("account/email", needs=_NEEDS, tag=Tag.EMAIL_CHANGE, name="email-change", fresh=True)
def ask_email_change(gate: Gate) -> HttpResponse:
    form = EmailForm(gate.request.POST)
    context = {**_context(gate), "email_form": form}
    if not form.is_valid():
        return show(gate, "account/profile.html", context, status=422)
    try:
        actions.ask_email_change(gate.actor, gate.employer_id, UUID(gate.principal.id), form.cleaned_data["email"])
    except (Invalid, TooMany) as error:
        form.add_error("email", error.message)
        return show(gate, "account/profile.html", context, status=error.status)
    flash.success(gate.request, f"A link was sent to {form.cleaned_data['email']}. Open it within an hour.")
    return HttpResponseRedirect("/account/profile")


@routes.get("account/email/confirm/<str:token>", needs=Permission.PUBLIC, tag=Tag.PAGE_VIEW, name="email-confirm")
def show_confirmation(gate: Gate, token: str) -> HttpResponse:
    """Looking changes nothing, so that mail scanners that open links do no harm."""
    return _link_page(gate, queries.find_confirmable(token), "account/email_confirm.html")


@routes.post("account/email/confirm/<str:token>", needs=Permission.PUBLIC, tag=Tag.EMAIL_CHANGE, name="email-confirm")
def confirm(gate: Gate, token: str) -> HttpResponse:
    change = _looked_at(gate, queries.find_confirmable(token))
    try:
        actions.confirm_email_change(gate.actor, token)
    except Conflict as error:
        return show(gate, "account/email_confirm.html", {"change": change, "error": error.message}, status=409)
    return show(gate, "account/email_done.html", {"email": change.after, "undone": False})


@routes.get("account/email/undo/<str:token>", needs=Permission.PUBLIC, tag=Tag.PAGE_VIEW, name="email-undo")
def show_undoing(gate: Gate, token: str) -> HttpResponse:
    return _link_page(gate, queries.find_revertible(token), "account/email_undo.html")


@routes.post("account/email/undo/<str:token>", needs=Permission.PUBLIC, tag=Tag.EMAIL_CHANGE, name="email-undo")
def undo(gate: Gate, token: str) -> HttpResponse:
    change = _looked_at(gate, queries.find_revertible(token))
    try:
        actions.undo_email_change(gate.actor, token)
    except Conflict as error:
        return show(gate, "account/email_undo.html", {"change": change, "error": error.message}, status=409)
    gate.request.session.flush()
    return show(gate, "account/email_done.html", {"email": change.before, "undone": True})


@routes.get("account/notices", needs=_NEEDS, tag=Tag.PAGE_VIEW, name="notices")
def notices(gate: Gate) -> HttpResponse:
    """Without a mail server this page is where notices arrive, links included."""
    mailed = bool(settings.MISENTINEL.smtp_url)
    found = queries.list_notices(UUID(gate.principal.id), with_links=not mailed)
    gate.looks_at(object_kind="notice", count=len(found))
    return show(gate, "account/notices.html", {"notices": found, "mailed": mailed})


def _context(gate: Gate) -> dict[str, object]:
    teammate = queries.get_teammate(gate.employer_id, UUID(gate.principal.id))
    return {"form": NameForm(initial={"name": teammate.name}), "email_form": EmailForm(), "teammate": teammate}


def _link_page(gate: Gate, change: EmailChangeView | None, template: str) -> HttpResponse:
    return show(gate, template, {"change": _looked_at(gate, change)})


def _looked_at(gate: Gate, change: EmailChangeView | None) -> EmailChangeView:
    if change is None:
        raise NotFound(_GONE)
    if change.customer_id != OPERATOR_ID:
        gate.belongs_to(get_store(change.customer_id))
    gate.looks_at(object_kind="teammate", object_id=change.teammate_id)
    return change
