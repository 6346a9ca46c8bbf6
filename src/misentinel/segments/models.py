"""Segments in a customer's store. Private to this domain.

Trust: written by `segments.actions`. Names are in clear; a rule may quote a person's address, so it is sealed under
the customer's own key.
"""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id


class SegmentRow(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=120, unique=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "segments_segment"
