"""The operator's access to customers: asked for, given by the customer, ended."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.contracts.operators import AccessState
from misentinel.teammates.models.accounts import Teammate

ASK_LASTS = timedelta(days=7)
EMERGENCY_ASK_LASTS = timedelta(hours=1)


class Access(models.Model):
    """One access of one operator to one customer. Nobody gives one to themselves: the table itself refuses that.

    `given_by` is the customer's teammate, or in an emergency the second operator. Until then `permissions`, `minutes`
    and `looks_only` are what was asked for. `outcome` says how it ended, as an `AccessState`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField()
    operator = models.ForeignKey(Teammate, on_delete=models.PROTECT, related_name="accesses")
    reason = models.CharField(max_length=500)
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    minutes = models.PositiveIntegerField()
    looks_only = models.BooleanField(default=True)
    emergency = models.BooleanField(default=False)
    asked = models.BooleanField(default=True)
    asked_at = models.DateTimeField(default=now)
    given_by = models.UUIDField(null=True)
    given_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    command_line_at = models.DateTimeField(null=True)
    """When a command was last run by it, which is a look too though no session is inside."""
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer_id", "operator", "emergency"], condition=models.Q(ended_at=None),
                name="teammates_one_access_each",
            ),
            models.CheckConstraint(
                condition=models.Q(given_by=None) | ~models.Q(given_by=models.F("operator")),
                name="teammates_access_from_another",
            ),
            models.CheckConstraint(
                condition=models.Q(given_by=None, given_at=None, expires_at=None)
                | models.Q(given_by__isnull=False, given_at__isnull=False, expires_at__isnull=False),
                name="teammates_access_given_whole",
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["customer_id", "id"], name="teammates_access_customer")]

    @property
    def state(self) -> AccessState:
        """Where it stands at this moment, whatever has been written down about it yet."""
        at = now()
        if self.ended_at is not None:
            return AccessState(self.outcome)
        if self.expires_at is not None:
            return AccessState.LIVE if self.expires_at > at else AccessState.EXPIRED
        lasts = EMERGENCY_ASK_LASTS if self.emergency else ASK_LASTS
        return AccessState.ASKED if self.asked_at + lasts > at else AccessState.LAPSED
