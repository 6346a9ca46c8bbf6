"""Signed-in browsers."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.models.accounts import Teammate


class SessionRecord(models.Model):
    """One signed-in browser. Revoking it here ends it: every request looks it up afresh.

    `proved_at` is when its teammate last showed a factor in it. `turn` counts the changes of its cookie: only the
    cookie that was handed out with the latest turn opens it, whatever happens to copies of earlier ones.
    `privileges` is a digest of what the teammate could do when the cookie last changed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="session_records")
    device = models.CharField(max_length=120)
    address = models.CharField(max_length=45)
    started_at = models.DateTimeField(default=now)
    last_seen_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    proved_at = models.DateTimeField(null=True)
    turn = models.PositiveIntegerField(default=0)
    privileges = models.CharField(max_length=32, default="")
    inside = models.ForeignKey("teammates.Access", on_delete=models.SET_NULL, null=True, related_name="sessions")
    """The access by which an operator has entered a customer. It may be over: whoever reads it must look."""

    class Meta:
        indexes = [models.Index(fields=["teammate", "ended_at"], name="teammates_session_live")]


class SessionLimits(models.Model):
    """How long a customer's sessions may last; shorter than the program's own limits, never longer."""

    customer_id = models.UUIDField(primary_key=True)
    idle_minutes = models.PositiveIntegerField()
    absolute_minutes = models.PositiveIntegerField()


class Device(models.Model):
    """A browser that a teammate has signed in with, known again by a cookie. `digest` is SHA-256 of its random value;
    it says that a browser is known and lets nobody in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="devices")
    digest = models.BinaryField(max_length=32, db_index=True)
    label = models.CharField(max_length=120)
    first_seen_at = models.DateTimeField(default=now)
    last_seen_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["teammate", "digest"], name="teammates_device_known_once")]
