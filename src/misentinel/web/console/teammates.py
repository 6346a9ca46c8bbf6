"""The teammates' pages: who there is, what each may do, inviting and suspending."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel import settings
from misentinel.kernel.errors import Conflict, Invalid, MiSentinelError, Refused
from misentinel.teammates import actions, queries, rules
from misentinel.teammates.contracts import GRANTABLE, OneTimeLink, Permission, TeammateView
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.TEAMMATES


class InvitationForm(forms.Form):
    email = forms.EmailField(label="E-mail address", max_length=254)
    name = forms.CharField(max_length=120)


@routes.get("teammates", needs=_NEEDS, tag=Tag.TEAMMATE_LIST, name="teammates")
def list_all(gate: Gate) -> HttpResponse:
    found = queries.list_teammates(gate.customer_id)
    gate.looks_at(object_kind="teammate", count=len(found))
    return show(gate, "teammates/list.html", {"teammates": found, "own": UUID(gate.principal.id)})


@routes.get("teammates/invite", needs=_NEEDS, tag=Tag.TEAMMATE_VIEW, name="teammate-invite")
def invitation(gate: Gate) -> HttpResponse:
    return show(
        gate, "teammates/invite.html", {"form": InvitationForm(), **_choosing(gate, frozenset(), frozenset(), "")}
    )


@routes.post("teammates/invite", needs=_NEEDS, tag=Tag.TEAMMATE_INVITE, name="teammate-invite", fresh=True)
def invite(gate: Gate) -> HttpResponse:
    form = InvitationForm(gate.request.POST)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    role = gate.request.POST.get("role", "")
    context = {"form": form, **_choosing(gate, frozenset(), wanted, role)}
    if not form.is_valid():
        return show(gate, "teammates/invite.html", context, status=422)
    try:
        link = actions.invite_teammate(
            gate.actor, gate.customer_id, email=form.cleaned_data["email"], name=form.cleaned_data["name"],
            permissions=wanted, role=role,
        )  # fmt: skip
    except (Invalid, Conflict, Refused) as error:
        return try_again(gate, "teammates/invite.html", context, error)
    return _show_link(gate, link)


@routes.get("teammates/<uuid:teammate_id>", needs=_NEEDS, tag=Tag.TEAMMATE_VIEW, name="teammate")
def view(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    return page(gate, teammate)


@routes.post("teammates/<uuid:teammate_id>", needs=_NEEDS, tag=Tag.TEAMMATE_PERMIT, name="teammate", fresh=True)
def permit(gate: Gate, teammate_id: UUID) -> HttpResponse:
    """What the form could not offer, because the giver does not hold it, stays as it is."""
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    kept = teammate.single - own_for_good(gate)
    role = gate.request.POST.get("role", teammate.role.id if teammate.role else "")
    try:
        actions.set_permissions(gate.actor, gate.customer_id, teammate_id, wanted | kept, role=role)
    except Conflict as error:
        return page(gate, teammate, error, wanted=wanted | kept, role=role)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post(
    "teammates/<uuid:teammate_id>/suspend", needs=_NEEDS, tag=Tag.TEAMMATE_SUSPEND, name="teammate-suspend", fresh=True
)
def suspend(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    try:
        actions.suspend_teammate(gate.actor, gate.customer_id, teammate_id)
    except Conflict as error:
        return page(gate, teammate, error)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post(
    "teammates/<uuid:teammate_id>/reinstate",
    needs=_NEEDS,
    tag=Tag.TEAMMATE_REINSTATE,
    name="teammate-reinstate",
    fresh=True,
)
def reinstate(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    try:
        actions.reinstate_teammate(gate.actor, gate.customer_id, teammate_id)
    except Conflict as error:
        return page(gate, teammate, error)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post(
    "teammates/<uuid:teammate_id>/link", needs=_NEEDS, tag=Tag.TEAMMATE_INVITE, name="teammate-link", fresh=True
)
def renew_link(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    try:
        return _show_link(gate, actions.renew_enrolment(gate.actor, gate.customer_id, teammate_id))
    except Conflict as error:
        return page(gate, teammate, error)


@routes.post(
    "teammates/<uuid:teammate_id>/end-sessions", needs=_NEEDS, tag=Tag.SESSION_REVOKE, name="teammate-sessions-end"
)
def end_sessions(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    actions.revoke_sessions(gate.actor, gate.customer_id, teammate_id)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


def page(
    gate: Gate,
    teammate: TeammateView,
    error: MiSentinelError | None = None,
    *,
    wanted: frozenset[Permission] | None = None,
    role: str | None = None,
) -> HttpResponse:
    """A teammate's page; with `error`, and what was chosen in the form, if it could not be done."""
    chosen = teammate.single if wanted is None else wanted
    own_role = teammate.role.id if teammate.role else ""
    context = {
        "teammate": teammate,
        **_choosing(gate, teammate.single, chosen, own_role if role is None else role),
        "grantable": sorted(own_for_good(gate) - teammate.permissions, key=list(Permission).index),
        "sessions": queries.list_sessions(teammate.id),
        "recovery": queries.find_recovery(gate.customer_id, teammate.id),
        "error": error.message if error else "",
        "is_self": str(teammate.id) == gate.principal.id,
    }
    return show(gate, "teammates/teammate.html", context, status=error.status if error else 200)


def own_for_good(gate: Gate) -> frozenset[Permission]:
    """What whoever asks can hand on."""
    return queries.get_teammate(gate.customer_id, UUID(gate.principal.id)).for_good


def _choosing(gate: Gate, before: frozenset[Permission], wanted: frozenset[Permission], role: str) -> dict[str, object]:
    """The roles and the single permissions; those that the giver cannot hand on are not offered."""
    held = own_for_good(gate)
    return {
        "roles": [
            {"role": each, "chosen": each.id == role, "fixed": not each.permissions <= held and each.id != role}
            for each in queries.list_roles(gate.customer_id)
        ],
        "no_role": not role,
        "choices": [
            {"permission": each, "chosen": each in wanted, "fixed": each not in held, "held": each in before}
            for each in Permission
            if each in GRANTABLE
        ],
    }


def _show_link(gate: Gate, link: OneTimeLink) -> HttpResponse:
    """The link is made from the public URL, never from the Host header, and readable in this answer only."""
    teammate = queries.get_teammate(gate.customer_id, link.teammate_id)
    context = {"teammate": teammate, "link": settings.load().base_url + link.path, "lasts": link}
    return show(gate, "teammates/link.html", context)
