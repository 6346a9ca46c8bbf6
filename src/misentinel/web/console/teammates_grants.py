"""Permissions for a time: given with a reason, taken away early."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid
from misentinel.teammates import actions, queries, rules
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.teammates import page
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.TEAMMATES
_HOURS = {"1", "8", "24", "168", "336", "720", "2160"}


@routes.post(
    "teammates/<uuid:teammate_id>/grants", needs=_NEEDS, tag=Tag.TEAMMATE_GRANT, name="teammate-grant", fresh=True
)
def give(gate: Gate, teammate_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    teammate = queries.get_teammate(gate.customer_id, teammate_id)
    posted = gate.request.POST
    try:
        if posted.get("hours") not in _HOURS or not posted.get("permission"):
            raise Invalid("Choose a permission, and for how long.")
        [permission] = rules.parse_permissions([posted["permission"]])
        actions.grant_permission(
            gate.actor, gate.customer_id, teammate_id, permission,
            until=now() + timedelta(hours=int(posted["hours"])), reason=posted.get("reason", ""),
        )  # fmt: skip
    except (Conflict, Invalid) as error:
        return page(gate, teammate, error)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")


@routes.post(
    "teammates/<uuid:teammate_id>/grants/<uuid:grant_id>/end",
    needs=_NEEDS, tag=Tag.TEAMMATE_GRANT_END, name="teammate-grant-end", fresh=True,
)  # fmt: skip
def end(gate: Gate, teammate_id: UUID, grant_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    actions.end_grant(gate.actor, gate.customer_id, teammate_id, grant_id)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")
