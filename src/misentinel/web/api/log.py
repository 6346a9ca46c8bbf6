"""The verifiable log over HTTPS, as C2SP tlog-tiles lays it out below `/api/log/`: for whoever keeps a copy of it.

Trust: what is read here need not be believed, for it is verified against the log's public key, which the reader got
once and keeps. Each look is on the trail, and so is in the log in its turn.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Schema

from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import Permission
from misentinel.trail import queries as trail
from misentinel.trail.contracts import Tag
from misentinel.web.api.rest import api, declares, gate_of

FOR_EVER = "private, max-age=31536000, immutable"  # a tile never changes; who asks decides whose it is, hence private
PROOF_TYPE = "text/plain; charset=utf-8"


def _answers(kind: str) -> dict[str, Any]:
    return {"responses": {200: {"description": "OK", "content": {kind: {"schema": {"type": "string"}}}}}}


_TEXT, _BYTES = _answers("text/plain"), _answers("application/octet-stream")


class KeysOut(Schema):
    """`keys` are verifier keys (C2SP signed-note), the one that signs now first."""

    origin: str
    keys: list[str]


@api.get("log/keys", response=KeysOut, summary="The log's name and its public keys")
@declares(Permission.TRAIL, Tag.LOG_READ)
def get_log_keys(request: HttpRequest) -> dict[str, Any]:
    log = trail.log_of(gate_of(request).store)
    gate_of(request).looks_at(object_kind="log", object_id=log.origin)
    return {"origin": log.origin, "keys": [str(key) for key in trail.verifier_keys(log)]}


@api.get("log/checkpoint", summary="The newest checkpoint", openapi_extra=_TEXT)
@declares(Permission.TRAIL, Tag.LOG_READ)
def get_log_checkpoint(request: HttpRequest) -> HttpResponse:
    log = trail.log_of(gate_of(request).store)
    gate_of(request).looks_at(object_kind="log", object_id=log.origin)
    return HttpResponse(str(trail.latest_checkpoint(log)), content_type=PROOF_TYPE)


@api.get("log/tile/{path:tile}", summary="A tile or an entry bundle", openapi_extra=_BYTES)
@declares(Permission.TRAIL, Tag.LOG_READ)
def get_log_tile(request: HttpRequest, tile: str) -> HttpResponse:
    log = trail.log_of(gate_of(request).store)
    path = f"tile/{tile}"
    data = trail.read_file(log, path)
    if data is None:
        raise NotFound("The log has no such tile (yet); the checkpoint says how far it goes.")
    gate_of(request).looks_at(object_kind="log", object_id=log.origin, file=path)
    return HttpResponse(
        data, content_type="application/octet-stream", headers={"Cache-Control": FOR_EVER, "Vary": "Authorization"}
    )


@api.get("trail/{entry_id}/proof", summary="A proof that an entry is in the log", openapi_extra=_TEXT)
@declares(Permission.TRAIL, Tag.LOG_PROVE)
def get_proof(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    gate_of(request).looks_at(object_kind="entry", object_id=entry_id)
    _, proof = trail.prove(trail.log_of(gate_of(request).store), entry_id)
    return HttpResponse(str(proof), content_type=PROOF_TYPE)
