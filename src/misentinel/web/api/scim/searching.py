"""Searching by POST, so that what is looked for stands in no URL (RFC 7644, 3.4.3)."""

from __future__ import annotations

from django.http import HttpResponse

from misentinel.teammates.actions.provisioning import connection_of
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries.provisioning import list_groups, list_users
from misentinel.trail.contracts import Tag
from misentinel.web.api.scim.exchange import listed, speaks_scim
from misentinel.web.api.scim.resources import PREFIX, Group, User, as_group, as_user
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.API)
_NEEDS = Permission.PROVISION


@routes.post(f"{PREFIX}/.search", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-search")
@speaks_scim
def everything(gate: Gate) -> HttpResponse:
    connection = connection_of(gate.actor)
    users = [as_user(one) for one in list_users(connection.id)]
    return listed(gate, User | Group, [*users, *(as_group(one) for one in list_groups(connection.id))])


@routes.post(f"{PREFIX}/Users/.search", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-search-users")
@speaks_scim
def users(gate: Gate) -> HttpResponse:
    return listed(gate, User, [as_user(one) for one in list_users(connection_of(gate.actor).id)])


@routes.post(f"{PREFIX}/Groups/.search", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-search-groups")
@speaks_scim
def groups(gate: Gate) -> HttpResponse:
    return listed(gate, Group, [as_group(one) for one in list_groups(connection_of(gate.actor).id)])
