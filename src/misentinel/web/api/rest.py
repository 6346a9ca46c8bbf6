"""The REST API: django-ninja reads parameters, the gate permits, a query answers. Described at /api/openapi.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import ValidationError

from misentinel.kernel.errors import Invalid
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.answers import problem
from misentinel.web.gate import Edge, Gate, Routes

PREFIX = "api/"
_ATTRIBUTE = "gate"
_Operation = TypeVar("_Operation", bound=Callable[..., Any])

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string"}, "instance": {"type": "string"},
    },
}  # fmt: skip

api = NinjaAPI(title="MiSentinel", version="1", openapi_url=None, docs_url=None, urls_namespace="api")
routes = Routes(Edge.API)


def declares(needs: Permission, tag: Tag, *, looks: bool = False) -> Callable[[_Operation], _Operation]:
    """Declares what an operation needs and which tag tells of it; `mount` refuses an operation without."""

    def declare(operation: _Operation) -> _Operation:
        operation.declared = (needs, tag, looks)  # type: ignore[attr-defined]
        return operation

    return declare


def gate_of(request: HttpRequest) -> Gate:
    """The gate that this request passed."""
    gate: Gate = getattr(request, _ATTRIBUTE)
    return gate


@routes.get(f"{PREFIX}openapi.json", needs=Permission.PUBLIC, tag=Tag.API_DESCRIBE, name="openapi")
def openapi(gate: Gate) -> JsonResponse:
    """The OpenAPI description of everything above."""
    description = api.get_openapi_schema(path_prefix=f"/{PREFIX}")
    description["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    description["components"]["schemas"]["Problem"] = PROBLEM
    description["security"] = [{"token": []}]
    for operations in description["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {
                "description": "What went wrong (RFC 9457)",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    return JsonResponse(description)  # its status codes are numbers, which JSON wants as text


@api.exception_handler(ValidationError)
def _not_valid(request: HttpRequest, error: Any) -> HttpResponse:
    told = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors)
    return problem(request, Invalid(f"These parameters cannot be used: {told}."))


def mount(into: Routes) -> None:
    """Registers every operation of `api` with the gate, under what it declares."""
    from ninja.utils import normalize_path, replace_path_param_notation

    for router in api._get_bound_routers():
        for path, path_view in router.path_operations.items():
            url = normalize_path(PREFIX + replace_path_param_notation(path)).lstrip("/")
            view = path_view.get_view()
            for operation in path_view.operations:
                needs, tag, looks = operation.view_func.declared  # type: ignore[attr-defined]
                name = api.get_operation_url_name(operation, router=router.template)
                for method in operation.methods:
                    view_of = _through(view)
                    into.add(method, url, needs=needs, tag=tag, name=f"api_{name}", view=view_of, looks=looks)


def _through(view: Callable[..., Any]) -> Callable[..., Any]:
    def call(gate: Gate, **arguments: Any) -> Any:
        setattr(gate.request, _ATTRIBUTE, gate)
        return view(gate.request, **arguments)

    return call
