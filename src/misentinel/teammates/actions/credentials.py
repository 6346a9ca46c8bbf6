"""Keys for programs: shown once, kept as a digest, expiring, revocable.

`mst_` and `msw_` begin API tokens and write keys, so that scanners find one that was published by mistake.
"""

from __future__ import annotations

import secrets
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
from misentinel.teammates.models import Credential
from misentinel.teammates.queries.lists import view_credential
from misentinel.teammates.queries.principals import digest_of
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

_PREFIX = {CredentialKind.API_TOKEN: "mst_", CredentialKind.WRITE_KEY: "msw_"}


def create_credential(
    actor: Actor,
    customer_id: UUID,
    kind: CredentialKind,
    *,
    name: str,
    permissions: Iterable[Permission] = (),
    expires_at: datetime | None = None,
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
    secret = _PREFIX[kind] + secrets.token_urlsafe(32)
    with transaction.atomic():
        held = held_by(actor, customer_id)
        if kind is CredentialKind.API_TOKEN:
            rules.require_grantable(held, frozenset(), scope)
        row = Credential.objects.create(
            customer_id=customer_id, kind=kind.value, name=name, digest=digest_of(secret),
            hint=f"{secret[:4]}…{secret[-4:]}", permissions=sorted(scope), created_at=now(), expires_at=expires_at,
        )  # fmt: skip
        record_control(
            actor, Tag.CREDENTIAL_CREATE, customer_id=customer_id, object_kind="credential", object_id=row.id,
            details={"kind": kind.value, "permissions": sorted(scope)},
        )  # fmt: skip
    return NewCredential(view_credential(row), secret)


def revoke_credential(actor: Actor, customer_id: UUID, credential_id: UUID) -> None:
    """Ends a key from the next request on. Raises `NotFound`, also for another customer's, or `Conflict`."""
    with transaction.atomic():
        row = Credential.objects.select_for_update().filter(id=credential_id, customer_id=customer_id).first()
        if row is None:
            raise NotFound("There is no such key.")
        if row.revoked_at is not None:
            raise Conflict("This key is revoked already.")
        row.revoked_at = now()
        row.save(update_fields=["revoked_at"])
        record_control(
            actor, Tag.CREDENTIAL_REVOKE, customer_id=customer_id, object_kind="credential", object_id=row.id
        )
