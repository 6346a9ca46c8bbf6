"""Requests of teammates who lost their factors."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.models.accounts import Teammate


class RecoveryRequest(models.Model):
    """One request for a new way in. `token_digest` is SHA-256 of 256 random bits that only the asker was shown.

    Open until `ended_at`; then `outcome` says how: completed, refused, cancelled. A teammate has one open at most.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="recovery_requests")
    token_digest = models.BinaryField(max_length=32, unique=True)
    device = models.CharField(max_length=120)
    address = models.CharField(max_length=45)
    asked_at = models.DateTimeField(default=now)
    approver_id = models.UUIDField(null=True)
    opens_at = models.DateTimeField(null=True)
    enrolment_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["teammate"], condition=models.Q(ended_at=None), name="teammates_one_open_recovery"
            )
        ]
