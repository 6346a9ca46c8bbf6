"""What teammates are told about their own accounts, until it was sent and for a while after."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.models.accounts import Teammate


class NoticeRecord(models.Model):
    """One notice to one address. `sealed` is its subject, text and link, readable with the vault only: a link may be
    a one-time way in. Whoever sends it holds a lease; a lease that ran out is anybody's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=30)
    recipient = models.EmailField(max_length=254)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(default=now)
    due_at = models.DateTimeField(default=now)
    attempts = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="teammates_notices_due", condition=Q(sent_at=None, given_up_at=None)),
            models.Index(fields=["teammate", "created_at"], name="teammates_notices_own"),
        ]
