"""The Segment protocol over HTTPS: read, permit, store, answer. What is answered with 200 is durable.

Per item the answer says accepted, duplicate or refused (with a code, a reason and the place). A request is turned away
as a whole only where nothing in it can be used: 400, 401, 403, 413, or 429 with the seconds to wait.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse

from misentinel.events.actions import ingest
from misentinel.events.contracts import ItemType, Status, Verdict
from misentinel.events.rules import protocol
from misentinel.kernel.clock import now
from misentinel.kernel.errors import TooMany
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.allowance import Allowance
from misentinel.web.gate import Edge, Gate, Routes
from misentinel.web.requests import body_of

BATCH = "batch"

routes = Routes(Edge.API)
_allowance = Allowance(settings.MISENTINEL.ingest_rate)


def _receive(gate: Gate, call: str) -> HttpResponse:
    batch = protocol.parse(body_of(gate.request), call, now())
    wait = _allowance.take(gate.principal.id, len(batch.items) + len(batch.refused) or 1)
    if wait:
        raise TooMany("This write key sends more events than it may; wait before sending more.", retry_after=wait)
    verdicts = ingest(gate.store, gate.actor, batch)
    body = orjson.dumps({"success": True, "results": [_told(verdict) for verdict in verdicts]})
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


def _told(verdict: Verdict) -> orjson.Fragment | dict[str, Any]:
    if verdict.status is not Status.REFUSED:
        return _plainly(verdict.position, verdict.status)
    told: dict[str, Any] = {"index": verdict.position, "status": verdict.status}
    told |= {"code": verdict.code, "reason": verdict.reason}
    return told | {"path": verdict.path} if verdict.path else told


@lru_cache(maxsize=8192)
def _plainly(position: int, status: Status) -> orjson.Fragment:
    """Nearly every item has one of a few thousand answers."""
    return orjson.Fragment(orjson.dumps({"index": position, "status": status}))


def _register(call: str) -> None:
    @routes.post(f"v1/{call}", needs=Permission.WRITE_EVENTS, tag=Tag.EVENT_RECEIVE, name=f"ingest_{call}")
    def receive(gate: Gate) -> HttpResponse:
        return _receive(gate, call)


for _call in (*ItemType, BATCH):
    _register(str(_call))
