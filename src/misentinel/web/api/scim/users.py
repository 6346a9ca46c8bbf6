"""Users: a company's directory adds, changes, suspends and reinstates teammates."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from scim2_models import Context

from misentinel.kernel.errors import Conflict
from misentinel.teammates.actions import provisioning
from misentinel.teammates.actions.provisioning import Wanted
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries.provisioning import get_user, list_users
from misentinel.trail.contracts import Tag
from misentinel.web.api.scim.exchange import listed, read, read_patch, shown, speaks_scim
from misentinel.web.api.scim.resources import PREFIX, User, as_user
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.API)
_ALL, _ONE = f"{PREFIX}/Users", f"{PREFIX}/Users/<uuid:user_id>"
_NEEDS = Permission.PROVISION


@routes.get(_ALL, needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-users")
@speaks_scim
def list_all(gate: Gate) -> HttpResponse:
    return listed(gate, User, [as_user(one) for one in list_users(provisioning.connection_of(gate.actor).id)])


@routes.post(_ALL, needs=_NEEDS, tag=Tag.SCIM_CHANGE, name="scim-users")
@speaks_scim
def create(gate: Gate) -> HttpResponse:
    given = read(gate.request, User, Context.RESOURCE_CREATION_REQUEST)
    try:
        made = provisioning.create_user(gate.actor, _wanted(given))
    except Conflict as error:
        raise Conflict(error.message, scim_type="uniqueness") from None
    return shown(gate, as_user(made), Context.RESOURCE_CREATION_RESPONSE, status=201)


@routes.get(_ONE, needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-user")
@speaks_scim
def show(gate: Gate, user_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=user_id)
    found = get_user(provisioning.connection_of(gate.actor).id, user_id)
    return shown(gate, as_user(found), Context.RESOURCE_QUERY_RESPONSE)


@speaks_scim
def replace(gate: Gate, user_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=user_id)
    get_user(provisioning.connection_of(gate.actor).id, user_id)
    given = read(gate.request, User, Context.RESOURCE_REPLACEMENT_REQUEST)
    changed = provisioning.replace_user(gate.actor, user_id, _wanted(given))
    return shown(gate, as_user(changed), Context.RESOURCE_REPLACEMENT_RESPONSE)


@speaks_scim
def patch(gate: Gate, user_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=user_id)
    found = as_user(get_user(provisioning.connection_of(gate.actor).id, user_id))
    read_patch(gate.request, User).patch(found)
    changed = provisioning.replace_user(gate.actor, user_id, _wanted(found))
    return shown(gate, as_user(changed), Context.RESOURCE_PATCH_RESPONSE)


@speaks_scim
def delete(gate: Gate, user_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=user_id)
    provisioning.delete_user(gate.actor, user_id)
    return HttpResponse(status=204)


for _method, _view in (("PUT", replace), ("PATCH", patch), ("DELETE", delete)):
    routes.add(_method, _ONE, needs=_NEEDS, tag=Tag.SCIM_CHANGE, name="scim-user", view=_view)


def _wanted(user: User) -> Wanted:
    return Wanted(
        email=user.user_name or "", name=user.display_name or "", external_id=(user.external_id or "")[:255],
        active=user.active is not False,
    )  # fmt: skip
