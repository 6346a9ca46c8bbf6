"""An administrator's side of what happens to a teammate's sign-in: deciding on a recovery, marking a password."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as flash
from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.errors import Conflict
from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.TEAMMATES


@routes.post(
    "teammates/<uuid:teammate_id>/recovery/approve",
    needs=_NEEDS, tag=Tag.RECOVERY_APPROVE, name="recovery-approve", fresh=True,
)  # fmt: skip
def approve(gate: Gate, teammate_id: UUID) -> HttpResponse:
    return _decide(gate, teammate_id, "Approved. The waiting time has begun, and both of you are told.")


@routes.post(
    "teammates/<uuid:teammate_id>/recovery/refuse",
    needs=_NEEDS, tag=Tag.RECOVERY_REFUSE, name="recovery-refuse", fresh=True,
)  # fmt: skip
def refuse(gate: Gate, teammate_id: UUID) -> HttpResponse:
    return _decide(gate, teammate_id, "Refused. The link of whoever asked opens nothing.")


@routes.post(
    "teammates/<uuid:teammate_id>/password-compromised",
    needs=_NEEDS, tag=Tag.PASSWORD_COMPROMISE, name="password-compromised", fresh=True,
)  # fmt: skip
def mark(gate: Gate, teammate_id: UUID) -> HttpResponse:
    return _decide(gate, teammate_id, "Their sessions have ended. Their next sign-in asks for a new password first.")


_DO = {
    Tag.RECOVERY_APPROVE: actions.approve_recovery,
    Tag.RECOVERY_REFUSE: actions.refuse_recovery,
    Tag.PASSWORD_COMPROMISE: actions.mark_compromised,
}


def _decide(gate: Gate, teammate_id: UUID, done: str) -> HttpResponse:
    gate.looks_at(object_kind="teammate", object_id=teammate_id)
    queries.get_teammate(gate.customer_id, teammate_id)
    try:
        _DO[gate.declaration.tag](gate.actor, gate.customer_id, teammate_id)
    except Conflict as error:
        flash.error(gate.request, error.message)
    else:
        flash.success(gate.request, done)
    return HttpResponseRedirect(f"/teammates/{teammate_id}")
