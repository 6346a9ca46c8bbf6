"""Events in a customer's store. Private to this domain.

Trust: written once by `events.actions` as the customer's role, and again only when their person is merged into another.
Whoever reads them without the vault learns what kinds of things happened when, to which opaque id.
"""

from __future__ import annotations

from django.db import models

from misentinel.kernel.ids import new_id


class EventRow(models.Model):
    """`sealed` is the item as it came in, under the person's key; `message_token`, the 128 bits of
    its messageId's token, makes it come in once."""

    id = models.UUIDField(primary_key=True, default=new_id)
    message_token = models.UUIDField(unique=True)
    type = models.CharField(max_length=10)
    name = models.CharField(max_length=255)
    person_id = models.UUIDField()
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    sealed = models.BinaryField()
    match = models.JSONField(default=dict)

    class Meta:
        db_table = "events_event"
        indexes = [
            models.Index(fields=["person_id", "-at"], name="event_by_person"),
            models.Index(fields=["name", "at"], name="event_by_name"),
        ]
