"""Messages, deliveries and suppressions in a customer's store. Private to this domain.

Trust: written by `messages.actions` and `messages.jobs` as the customer's role. Whoever reads these rows without the
vault learns which opaque ids got which message and when; not one word of it, not one address, not an answer that a mail
server gave.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.messages.contracts import DeliveryState


class MessageRow(models.Model):
    """`sealed` is {"subject", "html", "text", "sender"} under the customer's own key."""

    id = models.UUIDField(primary_key=True, default=new_id)
    kind = models.CharField(max_length=8)
    state = models.CharField(max_length=8)
    name = models.CharField(max_length=120)
    sealed = models.BinaryField()
    segment_id = models.UUIDField(null=True)
    trigger_event = models.CharField(max_length=255, default="")
    delay_seconds = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)
    started_at = models.DateTimeField(null=True)  # when sending began, or when it last went live

    class Meta:
        db_table = "messages_message"


class DeliveryRow(models.Model):
    """One copy for one person. `entry` says what for: the event's id, or for a manual message the message's own.

    `waiting` says that the state is queued: a column of its own, so that the index on it leaves later changes of state
    cheap. `address` is the token of the address it was claimed for; `answer` what the mail server said, sealed under
    the person's key; `run_id` the sending job that has it.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    message_id = models.UUIDField()
    person_id = models.UUIDField(db_index=True)
    entry = models.UUIDField()
    state = models.CharField(max_length=8, default=DeliveryState.QUEUED.value)
    waiting = models.BooleanField(default=True)
    reason = models.CharField(max_length=20, default="")
    run_id = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    address = models.CharField(max_length=22, default="")
    code = models.PositiveSmallIntegerField(default=0)
    answer = models.BinaryField(null=True)
    due_at = models.DateTimeField(default=now)
    created_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "messages_delivery"
        constraints = [
            models.UniqueConstraint(fields=["message_id", "person_id", "entry"], name="delivery_once"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(waiting=True), name="delivery_due")]


class RunRow(models.Model):
    """A sending job that lives. Past its lease, by the database's clock, what it holds is taken from it."""

    id = models.UUIDField(primary_key=True, default=new_id)
    lease_until = models.DateTimeField()

    class Meta:
        db_table = "messages_run"


class SuppressionRow(models.Model):
    """Somebody is left in peace: `subject` is `p:` and a person's id, or `e:` and the token of an address."""

    subject = models.CharField(max_length=40, primary_key=True)
    reason = models.CharField(max_length=20)
    delivery_id = models.UUIDField(null=True)
    at = models.DateTimeField(default=now)

    class Meta:
        db_table = "messages_suppression"


class MailRow(models.Model):
    """A message that stayed here because no mail server is set up. `sealed` is its MIME under the person's key."""

    delivery_id = models.UUIDField(primary_key=True)
    person_id = models.UUIDField(db_index=True)
    sealed = models.BinaryField()
    at = models.DateTimeField(default=now, db_index=True)

    class Meta:
        db_table = "messages_mail"
