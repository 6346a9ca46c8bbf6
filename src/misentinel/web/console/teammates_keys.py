"""API keys, under settings: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django import forms
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid
from misentinel.teammates import actions, queries, rules
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.APPS_AND_API
_LIFETIMES = [("90", "90 days"), ("365", "A year"), ("30", "30 days"), ("", "Until it is revoked")]


class KeyForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="Where it will be used, for example “Shop, production”.")
    kind = forms.ChoiceField(
        choices=[
            (CredentialKind.WRITE_KEY.value, "Write key: sends people and events, reads nothing"),
            (CredentialKind.API_TOKEN.value, "API token: holds the permissions chosen below"),
        ]
    )
    lifetime = forms.ChoiceField(label="Works for", choices=_LIFETIMES, required=False, initial="365")


@routes.get("settings/keys", needs=_NEEDS, tag=Tag.CREDENTIAL_LIST, name="keys")
def list_all(gate: Gate) -> HttpResponse:
    return show(gate, "teammates/keys.html", _context(gate, KeyForm(), frozenset()))


@routes.post("settings/keys", needs=_NEEDS, tag=Tag.CREDENTIAL_CREATE, name="keys", fresh=True)
def create(gate: Gate) -> HttpResponse:
    """Answers with the secret, which no later request can show."""
    form = KeyForm(gate.request.POST)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    context = _context(gate, form, wanted)
    if not form.is_valid():
        return show(gate, "teammates/keys.html", context, status=422)
    kind, days = CredentialKind(form.cleaned_data["kind"]), form.cleaned_data["lifetime"]
    try:
        made = actions.create_credential(
            gate.actor, gate.customer_id, kind, name=form.cleaned_data["name"],
            permissions=wanted if kind is CredentialKind.API_TOKEN else (),
            expires_at=now() + timedelta(days=int(days)) if days else None,
        )  # fmt: skip
    except Invalid as error:
        return try_again(gate, "teammates/keys.html", context, error)
    return show(gate, "teammates/key.html", {"key": made.view, "secret": made.secret})


@routes.post(
    "settings/keys/<uuid:key_id>/revoke", needs=_NEEDS, tag=Tag.CREDENTIAL_REVOKE, name="key-revoke", fresh=True
)
def revoke(gate: Gate, key_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="credential", object_id=key_id)
    actions.revoke_credential(gate.actor, gate.customer_id, key_id)
    return HttpResponseRedirect("/settings/keys")


def _context(gate: Gate, form: KeyForm, wanted: frozenset[Permission]) -> dict[str, object]:
    choices = [
        {"permission": p, "chosen": p in wanted, "fixed": p not in gate.principal.permissions, "held": False}
        for p in Permission
        if p in GRANTABLE
    ]
    return {"form": form, "choices": choices, "keys": queries.list_credentials(gate.customer_id)}
