"""Customers' own roles, and permissions given for a time."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id


class Role(models.Model):
    """A customer's own role. Whoever has it holds `permissions`, as they are at the moment of asking."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField()
    title = models.CharField(max_length=60)
    about = models.CharField(max_length=200, default="")
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer_id", "title"], name="teammates_role_title")]


class Grant(models.Model):
    """One permission until `expires_at`. It counts while `ended_at` is empty and `expires_at` lies ahead."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey("teammates.Teammate", on_delete=models.CASCADE, related_name="grants")
    permission = models.CharField(max_length=40)
    reason = models.CharField(max_length=200)
    given_by = models.CharField(max_length=64)
    given_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["teammate", "expires_at"], name="teammates_grant_live", condition=models.Q(ended_at=None)
            )
        ]
