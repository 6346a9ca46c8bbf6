"""The teammates' pages: who there is, what each may do, inviting and suspending."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel import settings
from misentinel.kernel.errors import Conflict, Invalid, MiSentinelError
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
        gate, "teammates/invite.html", {"form": InvitationForm(), "choices": _choices(gate, frozenset(), frozenset())}
    )


@routes.post("teammates/invite", needs=_NEEDS, tag=Tag.TEAMMATE_INVITE, name="teammate-invite")
def invite(gate: Gate) -> HttpResponse:
    form = InvitationForm(gate.request.POST)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    context = {"form": form, "choices": _choices(gate, frozenset(), wanted)}
    if not form.is_valid():
        return show(gate, "teammates/invite.html", context, status=422)
    try:
        link = actions.invite_teammate(
            gate.actor, gate.customer_id, email=form.cleaned_data["email"], name=form.cleaned_data["name"],
            permissions=wanted,
        )  # fmt: skip
    except (Invalid, Conflict) as error:
        return try_again(gate, "teammates/invite.html", context, error)
    return _show_link(gate, link)


@routes.get("teammates/<uuid:teammate_id>", needs=_NEEDS, tag=Tag.TEAMMATE_VIEW, name="teammate")
def view(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    return _page(gate, teammate, teammate.permissions)


@routes.post("teammates/<uuid:teammate_id>", needs=_NEEDS, tag=Tag.TEAMMATE_PERMIT, name="teammate")
def permit(gate: Gate, teammate_id: UUID) -> HttpResponse:
    """What the form could not offer, because the giver does not hold it, stays as it is."""
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    wanted = rules.parse_permissions(gate.request.POST.getlist("permissions"))
    kept = teammate.permissions - gate.principal.permissions
    try:
        actions.set_permissions(gate.actor, gate.customer_id, teammate_id, wanted | kept)
    except Conflict as error:
        return _page(gate, teammate, wanted | kept, error)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post("teammates/<uuid:teammate_id>/suspend", needs=_NEEDS, tag=Tag.TEAMMATE_SUSPEND, name="teammate-suspend")
def suspend(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    try:
        actions.suspend_teammate(gate.actor, gate.customer_id, teammate_id)
    except Conflict as error:
        return _page(gate, teammate, teammate.permissions, error)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post(
    "teammates/<uuid:teammate_id>/reinstate", needs=_NEEDS, tag=Tag.TEAMMATE_REINSTATE, name="teammate-reinstate"
)
def reinstate(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    try:
        actions.reinstate_teammate(gate.actor, gate.customer_id, teammate_id)
    except Conflict as error:
        return _page(gate, teammate, teammate.permissions, error)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post("teammates/<uuid:teammate_id>/link", needs=_NEEDS, tag=Tag.TEAMMATE_INVITE, name="teammate-link")
def renew_link(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    try:
        return _show_link(gate, actions.renew_enrolment(gate.actor, gate.customer_id, teammate_id))
    except Conflict as error:
        return _page(gate, teammate, teammate.permissions, error)


@routes.post(
    "teammates/<uuid:teammate_id>/end-sessions", needs=_NEEDS, tag=Tag.SESSION_REVOKE, name="teammate-sessions-end"
)
def end_sessions(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    actions.revoke_sessions(gate.actor, gate.customer_id, teammate_id)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


def _page(
    gate: Gate, teammate: TeammateView, wanted: frozenset[Permission], error: MiSentinelError | None = None
) -> HttpResponse:
    context = {
        "teammate": teammate,
        "choices": _choices(gate, teammate.permissions, wanted),
        "sessions": queries.list_sessions(teammate.id),
        "error": error.message if error else "",
        "is_self": str(teammate.id) == gate.principal.id,
    }
    return show(gate, "teammates/teammate.html", context, status=error.status if error else 200)


def _choices(gate: Gate, before: frozenset[Permission], wanted: frozenset[Permission]) -> list[dict[str, object]]:
    """The grantable permissions in the order of their declaration; those the giver does not hold are not offered."""
    return [
        {
            "permission": permission,
            "chosen": permission in wanted,
            "fixed": permission not in gate.principal.permissions,
            "held": permission in before,
        }
        for permission in Permission
        if permission in GRANTABLE
    ]


def _show_link(gate: Gate, link: OneTimeLink) -> HttpResponse:
    """The link is made from the public URL, never from the Host header, and readable in this answer only."""
    teammate = queries.get_teammate(gate.customer_id, link.teammate_id)
    context = {"teammate": teammate, "link": settings.load().base_url + link.path, "expires_at": link.expires_at}
    return show(gate, "teammates/link.html", context)
