"""Reading what a directory sends and answering it, errors in SCIM's own form (RFC 7644, 3.12)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    ListResponse,
    PatchOp,
    Resource,
    ResponseParameters,
    SCIMException,
    SearchRequest,
)
from scim2_models.base import BaseModel

from misentinel.kernel.errors import Malformed, MiSentinelError
from misentinel.web.api.scim.resources import MOST
from misentinel.web.gate import Gate

CONTENT_TYPE = "application/scim+json"
_LARGEST = 1024 * 1024
_Kind = TypeVar("_Kind", bound=Resource[Any])


class NotScim(MiSentinelError):
    """What was sent breaks SCIM's rules; `scim_type` is the specification's word for how."""

    code = "invalid_scim"

    def __init__(self, told: str, status: int, scim_type: str | None) -> None:
        super().__init__(told, scim_type=scim_type or "")
        self.status = status


def speaks_scim(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turns what scim2-models refuses into errors that the gate records and answers."""

    @functools.wraps(view)
    def call(gate: Gate, **arguments: Any) -> HttpResponse:
        try:
            return view(gate, **arguments)
        except ValidationError as error:
            told = Error.from_validation_errors(error)
            first = told[0] if isinstance(told, list) else told
        except SCIMException as error:
            first = error.to_error()
        except ValueError:
            first = Error(status=400, detail="An id in this request is none.", scim_type="invalidValue")
        raise NotScim(first.detail or "This cannot be read.", int(first.status or 400), first.scim_type)

    return call


def read(request: HttpRequest, kind: type[_Kind], context: Context) -> _Kind:
    return kind.model_validate(_json(request), scim_ctx=context)


def read_patch(request: HttpRequest, kind: type[_Kind]) -> Any:
    return PatchOp[kind].model_validate(  # type: ignore[valid-type]
        _json(request), scim_ctx=Context.RESOURCE_PATCH_REQUEST
    )


def shown(gate: Gate, found: Resource[Any], context: Context, *, status: int = 200) -> HttpResponse:
    parameters = ResponseParameters[type(found)].model_validate(_query(gate.request))  # type: ignore[misc]
    body = found.model_dump(scim_ctx=context, response_parameters=parameters)
    response = answer(body, status)
    if found.meta is not None and found.meta.location:
        response["Location"] = str(found.meta.location)
    return response


def listed(gate: Gate, kind: Any, found: Sequence[Resource[Any]]) -> HttpResponse:
    """Filtered, and a page of it: `startIndex` counts from one (RFC 7644, 3.4.2.4). A POST to `.search` says in its
    body what a GET says in its query (3.4.3). `kind` is a resource's class, or several of them.
    """
    posted = gate.request.method == "POST"
    context = Context.SEARCH_REQUEST if posted else Context.DEFAULT
    wanted = SearchRequest[kind].model_validate(
        _json(gate.request) if posted else _query(gate.request), scim_ctx=context
    )
    if wanted.filter is not None:
        found = [one for one in found if wanted.filter.match(one)]
    start = wanted.start_index or 1
    count = MOST if wanted.count is None else min(wanted.count, MOST)
    page = found[start - 1 : start - 1 + count]
    gate.looks_at(object_kind="directory", count=len(page))
    told = ListResponse[kind](total_results=len(found), start_index=start, items_per_page=len(page), resources=page)
    return answer(told.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=wanted))


def described(found: BaseModel) -> HttpResponse:
    return answer(found.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))


def answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps(body), status=status, content_type=CONTENT_TYPE)


def _query(request: HttpRequest) -> dict[str, str]:
    return {name: str(request.GET[name]) for name in request.GET}


def _json(request: HttpRequest) -> Any:
    if len(request.body) > _LARGEST:
        raise Malformed("A SCIM request holds at most 1 MB.")
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise Malformed("This is not JSON.", scim_type="invalidSyntax") from None
