"""Changing a connection: what it is, its test, whether it is enforced, who may join through it, its end."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import Conflict, Invalid, MiSentinelError, NotFound
from misentinel.kernel.ids import parse_id
from misentinel.teammates.actions import connecting, signing_on
from misentinel.teammates.queries.connections import get_connection
from misentinel.teammates.rules import parse_permissions
from misentinel.teammates.sso.contracts import ConnectionKind
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_company import lead_on
from misentinel.web.console.pages.single_sign_on.forms import edit_form
from misentinel.web.console.pages.single_sign_on.reading import NEEDS, ONE, page
from misentinel.web.console.rendering import redirect
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate


@routes.post(ONE, needs=NEEDS, tag=Tag.SSO_EDIT, name="connection", fresh=True)
def edit(gate: Gate, connection_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connection = get_connection(gate.customer_id, connection_id)
    form = edit_form(connection, gate.request.POST)
    if not form.is_valid():
        return page(gate, connection, form=form, status=422)
    change = connecting.edit_saml if connection.kind is ConnectionKind.SAML else connecting.edit_oidc
    try:
        change(gate.actor, gate.customer_id, connection_id, **form.cleaned_data)
    except NotFound:
        raise
    except MiSentinelError as error:
        form.add_error(None, error.message)
        return page(gate, connection, form=form, status=error.status)
    flash.success(gate.request, "Saved. Test the connection again.")
    return redirect("connection", connection_id=connection_id)


@routes.post(f"{ONE}/test", needs=NEEDS, tag=Tag.SSO_BEGIN, name="connection-test")
def test(gate: Gate, connection_id: UUID) -> HttpResponse:
    """Leads the administrator through a whole sign-in that signs nobody in."""
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connection = get_connection(gate.customer_id, connection_id)
    try:
        onward = signing_on.begin_test(gate.actor, gate.customer_id, connection_id)
    except MiSentinelError as error:
        return page(gate, connection, told=error.message, status=error.status)
    return lead_on(gate, onward, f"/settings/single-sign-on/{connection_id}")


@routes.post(f"{ONE}/enforce", needs=NEEDS, tag=Tag.SSO_EDIT, name="connection-enforce", fresh=True)
def enforce(gate: Gate, connection_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connection = get_connection(gate.customer_id, connection_id)
    keeper = parse_id(gate.request.POST.get("break_glass", ""))
    try:
        if keeper is None:
            raise Invalid("Choose who may still come in with a password.")
        connecting.enforce(gate.actor, gate.customer_id, connection_id, break_glass_id=keeper)
    except (Conflict, Invalid) as error:
        return page(gate, connection, told=error.message, status=error.status)
    flash.success(gate.request, "From now on your teammates come in through your provider.")
    return redirect("connection", connection_id=connection_id)


@routes.post(f"{ONE}/stop-enforcing", needs=NEEDS, tag=Tag.SSO_EDIT, name="connection-stop-enforcing", fresh=True)
def stop_enforcing(gate: Gate, connection_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connecting.stop_enforcing(gate.actor, gate.customer_id, connection_id)
    flash.success(gate.request, "Passwords are let in again beside your provider.")
    return redirect("connection", connection_id=connection_id)


@routes.post(f"{ONE}/joining", needs=NEEDS, tag=Tag.SSO_EDIT, name="connection-joining", fresh=True)
def set_joining(gate: Gate, connection_id: UUID) -> HttpResponse:
    """What the form could not offer, because the one who fills it does not hold it, stays as it is."""
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connection = get_connection(gate.customer_id, connection_id)
    posted, held = gate.request.POST, gate.principal.permissions
    try:
        connecting.set_joining(
            gate.actor, gate.customer_id, connection_id, just_in_time=posted.get("just_in_time") == "on",
            default_permissions=parse_permissions(posted.getlist("default"))
            | (connection.default_permissions - held),
            ceiling=parse_permissions(posted.getlist("ceiling")) | (connection.ceiling - held),
        )  # fmt: skip
    except Invalid as error:
        return page(gate, connection, told=error.message, status=error.status)
    flash.success(gate.request, "Saved.")
    return redirect("connection", connection_id=connection_id)


@routes.post(f"{ONE}/delete", needs=NEEDS, tag=Tag.SSO_DELETE, name="connection-delete", fresh=True)
def delete(gate: Gate, connection_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="connection", object_id=connection_id)
    connecting.delete_connection(gate.actor, gate.customer_id, connection_id)
    flash.success(gate.request, "The connection is deleted.")
    return redirect("connections")
