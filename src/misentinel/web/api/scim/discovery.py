"""What the service says about itself: configuration, resource types and schemas."""

from __future__ import annotations

from typing import Any, TypeVar

from django.http import HttpResponse
from scim2_models import Meta, Resource, ResourceType, Schema

from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.api.scim.exchange import described, listed, speaks_scim
from misentinel.web.api.scim.resources import CONFIG, PREFIX, PROVIDER, location
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.API)
_NEEDS = Permission.PROVISION
_Described = TypeVar("_Described", bound=Resource[Any])


@routes.get(f"{PREFIX}/ServiceProviderConfig", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-config")
@speaks_scim
def configuration(gate: Gate) -> HttpResponse:
    found = CONFIG.model_copy()
    place = location("ServiceProviderConfig", "").rstrip("/")
    found.meta = Meta(resource_type="ServiceProviderConfig", location=place)
    return described(found)


@routes.get(f"{PREFIX}/ResourceTypes", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-types")
@speaks_scim
def resource_types(gate: Gate) -> HttpResponse:
    return listed(gate, ResourceType, _types())


@routes.get(f"{PREFIX}/ResourceTypes/<str:kind>", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-type")
@speaks_scim
def resource_type(gate: Gate, kind: str) -> HttpResponse:
    return described(_one(_types(), kind))


@routes.get(f"{PREFIX}/Schemas", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-schemas")
@speaks_scim
def schemas(gate: Gate) -> HttpResponse:
    return listed(gate, Schema, _schemas())


@routes.get(f"{PREFIX}/Schemas/<str:kind>", needs=_NEEDS, tag=Tag.SCIM_VIEW, name="scim-schema")
@speaks_scim
def schema(gate: Gate, kind: str) -> HttpResponse:
    return described(_one(_schemas(), kind))


def _types() -> list[ResourceType]:
    found = [one.model_copy() for one in PROVIDER.resource_types]
    for one in found:
        one.meta = Meta(resource_type="ResourceType", location=location("ResourceTypes", one.id))
    return found


def _schemas() -> list[Schema]:
    found = [one.model_copy() for one in PROVIDER.schemas]
    for one in found:
        one.meta = Meta(resource_type="Schema", location=location("Schemas", one.id))
    return found


def _one(found: list[_Described], kind: str) -> _Described:
    for one in found:
        if str(one.id) == kind:
            return one
    raise NotFound("There is no such description.")
