"""Showing one's factor again, before what needs a fresh proof. Elsewhere the gate itself asks, see `web/step_up.py`."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect

from misentinel.kernel.clock import now
from misentinel.teammates import queries
from misentinel.teammates.contracts import Permission
from misentinel.teammates.rules import proved_lately
from misentinel.trail.contracts import Tag
from misentinel.web import step_up
from misentinel.web.console.account_pages import show
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)


@routes.get("account/confirm", needs=Permission.SIGNED_IN, tag=Tag.STEP_UP_VIEW, name="confirm")
def ask(gate: Gate) -> HttpResponse:
    onward = step_up.local_path(gate.request.GET.get("next", "/"))
    context = {"form": step_up.ProofForm(), "action": step_up.CONFIRM_PATH, "fields": [("next", onward)]}
    context["factors"] = queries.list_factors(UUID(gate.principal.id))
    return show(gate, "account/confirm.html", context)


@routes.post("account/confirm", needs=Permission.SIGNED_IN, tag=Tag.STEP_UP_SUCCEED, name="confirm")
def confirm(gate: Gate) -> HttpResponse:
    proof, _ = step_up.take_out(gate.request)
    if proof is not None or not proved_lately(gate.principal, now()):
        step_up.prove(gate, proof)
    return HttpResponseRedirect(step_up.local_path(gate.request.POST.get("next", "/")))
