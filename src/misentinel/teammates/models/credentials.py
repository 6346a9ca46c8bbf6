"""Keys for programs."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.contracts import CredentialKind


class Credential(models.Model):
    """A key for programs. `digest` is SHA-256 of 256 random bits, see `Enrolment`; `hint` is what lists show."""

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
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind=CredentialKind.WRITE_KEY.value) | models.Q(permissions=["write-events"]),
                name="teammates_write_keys_only_write",
            )
        ]
