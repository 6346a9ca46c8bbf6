"""Groups: who is together in a company's directory."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from scim2_models import Context

from misentinel.teammates.actions import provisioning
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries.provisioning import get_group, list_groups
from misentinel.trail.contracts import Tag
from misentinel.web.api.scim.exchange import listed, read, read_patch, shown, speaks_scim
from misentinel.web.api.scim.resources import PREFIX, Group, as_group, member_ids
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.API)
_ALL, _ONE = f"{PREFIX}/Groups", f"{PREFIX}/Groups/<uuid:group_id>"
_NEEDS = Permission.PROVISION


@routes.get(_ALL, needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-groups")
@speaks_scim
def list_all(gate: Gate) -> HttpResponse:
    return listed(gate, Group, [as_group(one) for one in list_groups(provisioning.connection_of(gate.actor).id)])


@routes.post(_ALL, needs=_NEEDS, tag=Tag.SCIM_CHANGE, name="scim-groups")
@speaks_scim
def create(gate: Gate) -> HttpResponse:
    given = read(gate.request, Group, Context.RESOURCE_CREATION_REQUEST)
    return shown(gate, _save(gate, None, given), Context.RESOURCE_CREATION_RESPONSE, status=201)


@routes.get(_ONE, needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-group")
@speaks_scim
def show(gate: Gate, group_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="group", object_id=group_id)
    found = get_group(provisioning.connection_of(gate.actor).id, group_id)
    return shown(gate, as_group(found), Context.RESOURCE_QUERY_RESPONSE)


@speaks_scim
def replace(gate: Gate, group_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="group", object_id=group_id)
    get_group(provisioning.connection_of(gate.actor).id, group_id)
    given = read(gate.request, Group, Context.RESOURCE_REPLACEMENT_REQUEST)
    return shown(gate, _save(gate, group_id, given), Context.RESOURCE_REPLACEMENT_RESPONSE)


@speaks_scim
def patch(gate: Gate, group_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="group", object_id=group_id)
    found = as_group(get_group(provisioning.connection_of(gate.actor).id, group_id))
    read_patch(gate.request, Group).patch(found)
    return shown(gate, _save(gate, group_id, found), Context.RESOURCE_PATCH_RESPONSE)


@speaks_scim
def delete(gate: Gate, group_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="group", object_id=group_id)
    provisioning.delete_group(gate.actor, group_id)
    return HttpResponse(status=204)


for _method, _view in (("PUT", replace), ("PATCH", patch), ("DELETE", delete)):
    routes.add(_method, _ONE, needs=_NEEDS, tag=Tag.SCIM_CHANGE, name="scim-group", view=_view)


def _save(gate: Gate, group_id: UUID | None, wanted: Group) -> Group:
    saved = provisioning.save_group(
        gate.actor, group_id, name=wanted.display_name or "", external_id=(wanted.external_id or "")[:255],
        members=member_ids(wanted),
    )  # fmt: skip
    return as_group(get_group(saved.connection_id, saved.id))
