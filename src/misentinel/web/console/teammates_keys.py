"""API keys, under settings: made, shown once, rotated with an overlap, bound to a signing key, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid
from misentinel.teammates import actions, queries, rules
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, CredentialView, Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.APPS_AND_API
_SOON = timedelta(days=7)  # as long before the end as its customer is told, see teammates.jobs
_LIFETIMES = [("90", "90 days"), ("365", "A year"), ("30", "30 days"), ("14", "14 days"), ("", "Until it is revoked")]
_OVERLAPS = [("24", "24 hours"), ("1", "An hour"), ("72", "3 days"), ("168", "7 days"), ("0", "No more: end it now")]


class KeyForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="Where it will be used, for example “Shop, production”.")
    kind = forms.ChoiceField(
        choices=[
            (CredentialKind.WRITE_KEY.value, "Write key: sends people and events, reads nothing"),
            (CredentialKind.API_TOKEN.value, "API token: holds the permissions chosen below"),
        ]
    )
    lifetime = forms.ChoiceField(label="Works for", choices=_LIFETIMES, required=False, initial="365")
    read_only = forms.BooleanField(
        label="Read-only", required=False,
        help_text="An API token that only ever looks: it can change nothing, whatever it holds below.",
    )  # fmt: skip


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        label="The present secret works for", choices=_OVERLAPS, initial="24",
        help_text="Long enough to put the new secret everywhere. You can end the earlier one sooner.",
    )  # fmt: skip


class SigningForm(forms.Form):
    public_key = forms.CharField(
        label="Public key", strip=True, max_length=4096,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "font-monospace"}),
        help_text="An Ed25519 public key in PEM. The private key stays where your program runs.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A key with what colours it: `ends` is one of revoked, expired, soon, later, never."""

    key: CredentialView
    ends: str
    overlapping: bool


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
            expires_at=now() + timedelta(days=int(days)) if days else None, read_only=form.cleaned_data["read_only"],
        )  # fmt: skip
    except Invalid as error:
        return try_again(gate, "teammates/keys.html", context, error)
    return show(gate, "teammates/secret.html", {"key": made.view, "secret": made.secret})


@routes.get("settings/keys/<uuid:key_id>", needs=_NEEDS, tag=Tag.CREDENTIAL_LIST, name="key")
def show_one(gate: Gate, key_id: UUID) -> HttpResponse:
    return _page(gate, key_id)


@routes.post(
    "settings/keys/<uuid:key_id>/rotate", needs=_NEEDS, tag=Tag.CREDENTIAL_ROTATE, name="key-rotate", fresh=True
)
def rotate(gate: Gate, key_id: UUID) -> HttpResponse:
    """Answers with the new secret, which no later request can show."""
    gate.looks_at(object_kind="credential", object_id=key_id)
    queries.get_credential(gate.customer_id, key_id)
    form = RotateForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, key_id, rotating=form, status=422)
    overlap = timedelta(hours=int(form.cleaned_data["overlap"]))
    made = actions.rotate_credential(gate.actor, gate.customer_id, key_id, overlap=overlap)
    return show(gate, "teammates/secret.html", {"key": made.view, "secret": made.secret, "rotated": overlap})


@routes.post(
    "settings/keys/<uuid:key_id>/end-overlap",
    needs=_NEEDS,
    tag=Tag.CREDENTIAL_REVOKE,
    name="key-end-overlap",
    fresh=True,
)
def end_overlap(gate: Gate, key_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="credential", object_id=key_id)
    actions.end_overlap(gate.actor, gate.customer_id, key_id)
    flash.success(gate.request, "The earlier secret is refused from now on.")
    return HttpResponseRedirect(f"/settings/keys/{key_id}")


@routes.post(
    "settings/keys/<uuid:key_id>/signing", needs=_NEEDS, tag=Tag.CREDENTIAL_ROTATE, name="key-signing", fresh=True
)
def set_signing_key(gate: Gate, key_id: UUID) -> HttpResponse:
    """Takes a public key, or removes the one there is."""
    gate.looks_at(object_kind="credential", object_id=key_id)
    queries.get_credential(gate.customer_id, key_id)
    if gate.request.POST.get("remove"):
        actions.set_signing_key(gate.actor, gate.customer_id, key_id, None)
        flash.success(gate.request, "Requests with this key need no signature any more.")
        return HttpResponseRedirect(f"/settings/keys/{key_id}")
    form = SigningForm(gate.request.POST)
    if form.is_valid():
        try:
            actions.set_signing_key(gate.actor, gate.customer_id, key_id, form.cleaned_data["public_key"])
        except (Invalid, Conflict) as error:
            form.add_error("public_key", error.message)
    if not form.is_valid():
        return _page(gate, key_id, signing=form, status=422)
    flash.success(gate.request, "From now on, every request with this key must be signed.")
    return HttpResponseRedirect(f"/settings/keys/{key_id}")


@routes.post(
    "settings/keys/<uuid:key_id>/revoke", needs=_NEEDS, tag=Tag.CREDENTIAL_REVOKE, name="key-revoke", fresh=True
)
def revoke(gate: Gate, key_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="credential", object_id=key_id)
    actions.revoke_credential(gate.actor, gate.customer_id, key_id)
    return HttpResponseRedirect("/settings/keys")


def _page(
    gate: Gate,
    key_id: UUID,
    *,
    rotating: RotateForm | None = None,
    signing: SigningForm | None = None,
    status: int = 200,
) -> HttpResponse:
    gate.looks_at(object_kind="credential", object_id=key_id)
    row = _row(queries.get_credential(gate.customer_id, key_id))
    context = {"row": row, "key": row.key, "rotating": rotating or RotateForm(), "signing": signing or SigningForm()}
    return show(gate, "teammates/key.html", context, status=status)


def _context(gate: Gate, form: KeyForm, wanted: frozenset[Permission]) -> dict[str, object]:
    choices = [
        {"permission": p, "chosen": p in wanted, "fixed": p not in gate.principal.permissions, "held": False}
        for p in Permission
        if p in GRANTABLE
    ]
    rows = [_row(key) for key in queries.list_credentials(gate.customer_id)]
    return {"form": form, "choices": choices, "rows": rows}


def _row(key: CredentialView) -> Row:
    at = now()
    if key.revoked_at is not None:
        ends = "revoked"
    elif key.expires_at is None:
        ends = "never"
    elif key.expires_at <= at:
        ends = "expired"
    else:
        ends = "soon" if key.expires_at <= at + _SOON else "later"
    return Row(key, ends, overlapping=ends != "revoked" and key.earlier_until is not None and key.earlier_until > at)
