"""Keys for programs: shown once, kept as a digest, expiring, revocable; see `key_form` for how one is spelt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.teammates import rules
from misentinel.teammates.actions.inviting import held_by
from misentinel.teammates.contracts import CredentialKind, NewCredential, Permission
from misentinel.teammates.key_form import new_secret
from misentinel.teammates.models import Connection, Credential
from misentinel.teammates.queries.holding import known_permissions
from misentinel.teammates.queries.lists import view_credential
from misentinel.teammates.queries.principals import digest_of
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

PREFIX = {CredentialKind.API_TOKEN: "mst_", CredentialKind.WRITE_KEY: "msw_", CredentialKind.PROVISIONING_KEY: "msp_"}


def create_credential(
    actor: Actor,
    customer_id: UUID,
    kind: CredentialKind,
    *,
    name: str,
    permissions: Iterable[Permission] = (),
    expires_at: datetime | None = None,
    read_only: bool = False,
    connection_id: UUID | None = None,
) -> NewCredential:
    """Creates a key and returns it with its secret, which is never readable again.

    Raises `Refused` if an API token would hold what its maker does not, `Invalid` for a scope beyond its kind.
    """
    scope = rules.scope_of(kind, frozenset(permissions))
    name = " ".join(name.split())
    if not name or len(name) > 120 or not name.isprintable():
        raise Invalid("A key's name has 1 to 120 printable characters; say where it will be used.")
    if expires_at is not None and expires_at <= now():
        raise Invalid("This key would have expired before it was made.")
    if read_only and kind is not CredentialKind.API_TOKEN:
        raise Invalid("Only an API token can be read-only: a write key does nothing but write.")
    secret = new_secret(PREFIX[kind])
    with transaction.atomic():
        held = held_by(actor, customer_id)
        if kind is CredentialKind.API_TOKEN:
            rules.require_grantable(held, frozenset(), scope)
        row = Credential.objects.create(
            customer_id=customer_id, kind=kind.value, name=name, digest=digest_of(secret), hint=hint_of(secret),
            permissions=sorted(scope), created_at=now(), expires_at=expires_at, read_only=read_only,
            connection=_reached(actor, customer_id, kind, connection_id),
        )  # fmt: skip
        record_control(
            actor, Tag.CREDENTIAL_CREATE, customer_id=customer_id, object_kind="credential", object_id=row.id,
            details={"kind": kind.value, "permissions": sorted(scope), "read_only": read_only},
        )  # fmt: skip
    return NewCredential(view_credential(row), secret)


def _reached(actor: Actor, customer_id: UUID, kind: CredentialKind, connection_id: UUID | None) -> Connection | None:
    """The connection that a provisioning key belongs to; its maker holds all that may be handed out through it."""
    if kind is not CredentialKind.PROVISIONING_KEY:
        return None
    if connection_id is None:
        raise Invalid("A provisioning key belongs to a connection of single sign-on. Make it there.")
    row = Connection.objects.select_for_update().filter(id=connection_id, customer_id=customer_id).first()
    if row is None:
        raise NotFound("There is no such connection.")
    rules.require_grantable(held_by(actor, customer_id), frozenset(), known_permissions(row.ceiling))
    return row


def revoke_credential(actor: Actor, customer_id: UUID, credential_id: UUID) -> None:
    """Ends a key, both its secrets, from the next request on. Raises `NotFound`, also for another customer's, or
    `Conflict`.
    """
    with transaction.atomic():
        row = lock_credential(customer_id, credential_id)
        row.revoked_at = now()
        row.save(update_fields=["revoked_at"])
        record_control(
            actor, Tag.CREDENTIAL_REVOKE, customer_id=customer_id, object_kind="credential", object_id=row.id
        )


def lock_credential(customer_id: UUID, credential_id: UUID) -> Credential:
    """Returns the row, held until the transaction ends. Raises `NotFound`, or `Conflict` for a revoked key."""
    row = Credential.objects.select_for_update().filter(id=credential_id, customer_id=customer_id).first()
    if row is None:
        raise NotFound("There is no such key.")
    if row.revoked_at is not None:
        raise Conflict("This key is revoked already.")
    return row


def hint_of(secret: str) -> str:
    """What lists show of a secret: its prefix and its last four characters, which belong to the checksum."""
    return f"{secret[:4]}…{secret[-4:]}"
