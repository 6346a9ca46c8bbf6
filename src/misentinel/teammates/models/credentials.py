"""Keys for programs."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.contracts import CredentialKind


class Credential(models.Model):
    """A key for programs. `digest` is SHA-256 of 256 random bits, see `Enrolment`; `hint` is what lists show.

    After a rotation, the earlier secret is known by `earlier_digest` and works until `earlier_until`. With a
    `signing_key` (Ed25519, 32 bytes), neither secret opens anything without a signature by that key.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=12, choices=[(kind.value, kind.value) for kind in CredentialKind])
    name = models.CharField(max_length=120)
    digest = models.BinaryField(max_length=32, unique=True)
    hint = models.CharField(max_length=20)
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=43, default="")
    revoked_at = models.DateTimeField(null=True)
    read_only = models.BooleanField(default=False)
    earlier_digest = models.BinaryField(max_length=32, null=True, unique=True)
    earlier_hint = models.CharField(max_length=20, default="")
    earlier_until = models.DateTimeField(null=True)
    earlier_used_at = models.DateTimeField(null=True)
    signing_key = models.BinaryField(max_length=32, null=True)
    connection = models.ForeignKey("teammates.Connection", on_delete=models.CASCADE, null=True, related_name="keys")
    """For provisioning keys: the connection whose domains they may touch."""
    warned_at = models.DateTimeField(null=True)
    """When its customer was told that it expires soon."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind=CredentialKind.WRITE_KEY.value) | models.Q(permissions=["write-events"]),
                name="teammates_write_keys_only_write",
            ),
            models.CheckConstraint(
                condition=models.Q(connection=None) & ~models.Q(kind=CredentialKind.PROVISIONING_KEY.value)
                | models.Q(
                    connection__isnull=False, kind=CredentialKind.PROVISIONING_KEY.value, permissions=["provision"]
                ),
                name="teammates_provisioning_keys_only_provision",
            ),
        ]


class SpentNonce(models.Model):
    """A signed request that was let in, by the digest of its nonce; see `teammates.nonces`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    credential_id = models.UUIDField()
    digest = models.BinaryField(max_length=32)
    at = models.DateTimeField(default=now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential_id", "digest"], name="teammates_nonce_once")]
