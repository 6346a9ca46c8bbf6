"""Provisioning through a connection: the keys that a directory shows, and the roles that its groups' members have."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import Conflict, Invalid
from misentinel.teammates import actions
from misentinel.teammates.actions.provisioning import map_group
from misentinel.teammates.contracts import CredentialKind
from misentinel.teammates.queries.connections import get_connection
from misentinel.teammates.queries.provisioning import get_group
from misentinel.trail.contracts import Tag
from misentinel.web.console.pages.single_sign_on.reading import NEEDS, ONE, page
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate


@routes.post(f"{ONE}/key", needs=NEEDS, tag=Tag.CREDENTIAL_CREATE, name="connection-key", fresh=True)
def make_key(gate: Gate, connection_id: UUID) -> HttpResponse:
    """Answers with the secret, which no later request can show."""
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connection = get_connection(gate.customer_id, connection_id)
    made = actions.create_credential(
        gate.actor, gate.customer_id, CredentialKind.PROVISIONING_KEY, name=f"SCIM: {connection.name}",
        connection_id=connection_id,
    )  # fmt: skip
    context = {"connection": connection, "secret": made.secret}
    return render(gate, "console/single_sign_on/key.html", context)


@routes.post(
    f"{ONE}/keys/<uuid:key_id>/revoke", needs=NEEDS, tag=Tag.CREDENTIAL_REVOKE, name="connection-key-revoke", fresh=True
)
def revoke_key(gate: Gate, connection_id: UUID, key_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="credential", object_id=key_id)
    get_connection(gate.customer_id, connection_id)
    actions.revoke_credential(gate.actor, gate.customer_id, key_id)
    flash.success(gate.request, "The key is revoked.")
    return redirect("connection", connection_id=connection_id)


@routes.post(f"{ONE}/groups/<uuid:group_id>", needs=NEEDS, tag=Tag.SSO_EDIT, name="connection-group", fresh=True)
def give_role(gate: Gate, connection_id: UUID, group_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="group", object_id=group_id)
    connection = get_connection(gate.customer_id, connection_id)
    get_group(connection_id, group_id)
    try:
        map_group(gate.actor, gate.customer_id, connection_id, group_id, gate.request.POST.get("role", ""))
    except (Invalid, Conflict) as error:
        return page(gate, connection, told=error.message, status=error.status)
    flash.success(gate.request, "Saved. It holds from their next request on.")
    return redirect("connection", connection_id=connection_id)
