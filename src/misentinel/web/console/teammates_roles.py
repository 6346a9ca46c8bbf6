"""Roles: the shipped ones to read, a customer's own to make, change and delete."""

from __future__ import annotations

from django import forms
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.errors import Conflict, Invalid
from misentinel.teammates import actions, queries, rules
from misentinel.teammates.contracts import GRANTABLE, Permission, RoleView
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.console.teammates import own_for_good
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.TEAMMATES


class RoleForm(forms.Form):
    title = forms.CharField(label="Name", max_length=60)
    about = forms.CharField(
        label="What it is for", max_length=200, required=False, help_text="Shown where somebody chooses a role."
    )


@routes.get("teammates/roles", needs=_NEEDS, tag=Tag.ROLE_LIST, name="roles")
def list_all(gate: Gate) -> HttpResponse:
    roles = queries.list_roles(gate.customer_id)
    gate.looks_at(object_kind="role", count=len(roles))
    context = {
        "own": [role for role in roles if not role.shipped],
        "shipped": [role for role in roles if role.shipped],
        "all": len(GRANTABLE),
    }
    return show(gate, "teammates/roles.html", context)


@routes.get("teammates/roles/new", needs=_NEEDS, tag=Tag.ROLE_VIEW, name="role-new")
def blank(gate: Gate) -> HttpResponse:
    """With `?from=ROLE` the permissions of that role are chosen already."""
    start: frozenset[Permission] = frozenset()
    if model := gate.request.GET.get("from"):
        start = queries.get_role(gate.customer_id, model).permissions & own_for_good(gate)
    return show(gate, "teammates/role.html", {"form": RoleForm(), "choices": _choices(gate, start)})


@routes.post("teammates/roles/new", needs=_NEEDS, tag=Tag.ROLE_CREATE, name="role-new", fresh=True)
def create(gate: Gate) -> HttpResponse:
    form, wanted = RoleForm(gate.request.POST), _wanted(gate)
    context = {"form": form, "choices": _choices(gate, wanted)}
    if not form.is_valid():
        return show(gate, "teammates/role.html", context, status=422)
    try:
        actions.create_role(gate.actor, gate.customer_id, permissions=wanted, **form.cleaned_data)
    except (Invalid, Conflict) as error:
        return try_again(gate, "teammates/role.html", context, error)
    return HttpResponseRedirect("/teammates/roles")


@routes.get("teammates/roles/<str:role_id>", needs=_NEEDS, tag=Tag.ROLE_VIEW, name="role")
def view(gate: Gate, role_id: str) -> HttpResponse:
    gate.looks_at(object_kind="role", object_id=role_id)
    role = queries.get_role(gate.customer_id, role_id)
    form = RoleForm(initial={"title": role.title, "about": role.about})
    return show(gate, "teammates/role.html", _context(gate, role, form, role.permissions))


@routes.post("teammates/roles/<str:role_id>", needs=_NEEDS, tag=Tag.ROLE_EDIT, name="role", fresh=True)
def edit(gate: Gate, role_id: str) -> HttpResponse:
    """What the form could not offer, because the giver cannot hand it on, stays as it is."""
    gate.looks_at(object_kind="role", object_id=role_id)
    role = queries.get_role(gate.customer_id, role_id)
    form, wanted = RoleForm(gate.request.POST), _wanted(gate) | (role.permissions - own_for_good(gate))
    context = _context(gate, role, form, wanted)
    if not form.is_valid():
        return show(gate, "teammates/role.html", context, status=422)
    try:
        actions.edit_role(gate.actor, gate.customer_id, role_id, permissions=wanted, **form.cleaned_data)
    except (Invalid, Conflict) as error:
        return try_again(gate, "teammates/role.html", context, error)
    return HttpResponseRedirect("/teammates/roles")


@routes.post("teammates/roles/<str:role_id>/delete", needs=_NEEDS, tag=Tag.ROLE_DELETE, name="role-delete", fresh=True)
def delete(gate: Gate, role_id: str) -> HttpResponse:
    gate.looks_at(object_kind="role", object_id=role_id)
    actions.delete_role(gate.actor, gate.customer_id, role_id)
    return HttpResponseRedirect("/teammates/roles")


def _wanted(gate: Gate) -> frozenset[Permission]:
    return rules.parse_permissions(gate.request.POST.getlist("permissions"))


def _context(gate: Gate, role: RoleView, form: RoleForm, wanted: frozenset[Permission]) -> dict[str, object]:
    choices = _choices(gate, wanted, role.permissions)
    if role.shipped:
        choices = [{**choice, "fixed": True, "read": True} for choice in choices]
    return {"role": role, "form": form, "choices": choices}


def _choices(
    gate: Gate, wanted: frozenset[Permission], before: frozenset[Permission] = frozenset()
) -> list[dict[str, object]]:
    held = own_for_good(gate)
    return [
        {"permission": each, "chosen": each in wanted, "fixed": each not in held, "held": each in before}
        for each in Permission
        if each in GRANTABLE
    ]
