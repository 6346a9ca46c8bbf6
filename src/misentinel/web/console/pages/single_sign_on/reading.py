"""Looking at connections: the list, one of them, and the metadata that a SAML provider wants."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse

from misentinel.kernel import settings
from misentinel.kernel.errors import NotFound
from misentinel.teammates import queries
from misentinel.teammates.contracts import GRANTABLE, Permission, TeammateView
from misentinel.teammates.queries.connections import get_connection, list_connections
from misentinel.teammates.queries.provisioning import list_groups, list_provisioning_keys
from misentinel.teammates.queries.roles import list_roles
from misentinel.teammates.sso import saml
from misentinel.teammates.sso.contracts import ConnectionKind, ConnectionView
from misentinel.teammates.sso.rules import fingerprint
from misentinel.trail.contracts import Tag
from misentinel.web.console.pages.single_sign_on.forms import KINDS, EnforceForm, edit_form, kind_of
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

NEEDS = Permission.SECURITY_SETTINGS
PATH = "settings/single-sign-on"
ONE = f"{PATH}/<uuid:connection_id>"


@routes.get(PATH, needs=NEEDS, tag=Tag.SSO_VIEW, name="connections")
def show_all(gate: Gate) -> HttpResponse:
    found = [{"connection": one, "kind": KINDS[kind_of(one)]} for one in list_connections(gate.customer_id)]
    gate.looks_at(object_kind="connection", count=len(found))
    return render(gate, "console/single_sign_on/list.html", {"connections": found, "kinds": KINDS})


@routes.get(ONE, needs=NEEDS, tag=Tag.SSO_VIEW, name="connection")
def show_one(gate: Gate, connection_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="connection", object_id=connection_id)
    return page(gate, get_connection(gate.customer_id, connection_id))


@routes.get(f"{ONE}/metadata", needs=NEEDS, tag=Tag.SSO_VIEW, name="connection-metadata")
def metadata(gate: Gate, connection_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connection = get_connection(gate.customer_id, connection_id)
    if connection.kind is not ConnectionKind.SAML:
        raise NotFound("Only a SAML connection has metadata.")
    response = HttpResponse(saml.metadata(connection), content_type="application/samlmetadata+xml")
    response["Content-Disposition"] = 'attachment; filename="misentinel-metadata.xml"'
    return response


def page(
    gate: Gate, connection: ConnectionView, *, form: forms.Form | None = None, told: str = "", status: int = 200
) -> HttpResponse:
    """The page of one connection; `form` is one that was sent and not accepted, `told` says what else went wrong."""
    teammates = queries.list_teammates(gate.customer_id)
    context: dict[str, Any] = {
        "connection": connection,
        "kind": KINDS[kind_of(connection)],
        "saml": connection.kind is ConnectionKind.SAML,
        "form": form or edit_form(connection),
        "fingerprints": [fingerprint(one) for one in connection.certificates],
        "enforce": EnforceForm(_keepers(teammates)),
        "keeper": next((one for one in teammates if one.id == connection.break_glass_id), None),
        "choices": _choices(gate, connection.default_permissions),
        "limits": _choices(gate, connection.ceiling),
        "scim_url": f"{settings.load().base_url}/scim/v2",
        "keys": list_provisioning_keys(connection.id),
        "groups": list_groups(connection.id),
        "roles": list_roles(gate.customer_id),
        "told": told,
    }
    return render(gate, "console/single_sign_on/connection.html", context, status=status)


def _keepers(teammates: list[TeammateView]) -> list[TeammateView]:
    needed = {Permission.SECURITY_SETTINGS, Permission.TEAMMATES}
    return [one for one in teammates if one.enrolled_at and not one.suspended_at and one.permissions >= needed]


def _choices(gate: Gate, chosen: frozenset[Permission]) -> list[dict[str, object]]:
    """What the one who looks does not hold can be left as it is, and not be added."""
    return [
        {"permission": one, "chosen": one in chosen, "fixed": one not in gate.principal.permissions}
        for one in Permission
        if one in GRANTABLE
    ]
