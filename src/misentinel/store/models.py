"""Placements (control plane: where each store lives) and the outbox (in every store)."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.store.planes import CONTROL, STORE


class Placement(models.Model):
    """Written by provisioning and migration only. If it lied, a query would meet a database whose role refuses it."""

    plane = CONTROL

    customer_id = models.UUIDField(primary_key=True)
    cluster = models.CharField(max_length=60)
    database = models.CharField(max_length=63, unique=True)
    role = models.CharField(max_length=63, unique=True)
    sealed_password = models.BinaryField()
    schema = models.CharField(max_length=32)
    fault = models.TextField(default="")
    created_at = models.DateTimeField(default=now)


class OutboxRow(models.Model):
    """What has committed and still has consequences. Deleted by the worker in the transaction that handled it."""

    plane = STORE

    id = models.UUIDField(primary_key=True, default=new_id)
    topic = models.CharField(max_length=40)
    payload = models.JSONField()
    created_at = models.DateTimeField(default=now)
    due_at = models.DateTimeField(default=now, db_index=True)
    attempts = models.IntegerField(default=0)
    fault = models.TextField(default="")
