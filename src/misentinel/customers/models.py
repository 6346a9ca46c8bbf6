"""The customers' table, on the control plane."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id


class CustomerRow(models.Model):
    """The customers of this installation. No person's data."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=120)
    slug = models.CharField(max_length=40, unique=True)
    time_zone = models.CharField(max_length=60, default="Europe/London")
    mail_from = models.CharField(max_length=254, default="")
    created_at = models.DateTimeField(default=now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "customers_customer"
