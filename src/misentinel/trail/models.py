"""Entries, in the control database (the operator's platform log) and in every store (the customer's own trail).

Trust: written by actions and the gate, read by whoever holds the trail permission. The customer's role may insert and
read, never change or remove; a trigger holds the owner to the same. If the program lied when it wrote, the trail lies.
"""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.store.planes import CONTROL


class Entry(models.Model):
    """No person's data in clear: opaque ids, field names, counts; `before` and `after` are sealed."""

    append_only = True

    id = models.UUIDField(primary_key=True, default=new_id)
    at = models.DateTimeField(default=now, db_index=True)
    customer_id = models.UUIDField(null=True)
    tag = models.CharField(max_length=40)
    outcome = models.CharField(max_length=10)
    actor_kind = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=64)
    credential = models.CharField(max_length=64)
    address = models.CharField(max_length=45)
    object_kind = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    person_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64)
    details = models.JSONField(default=dict)
    before = models.BinaryField(null=True)
    after = models.BinaryField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["person_id", "id"], name="trail_by_person"),
            models.Index(fields=["tag", "id"], name="trail_by_tag"),
            models.Index(fields=["request_id"], name="trail_by_request"),
            models.Index(fields=["actor_id", "id"], name="trail_by_actor"),
            models.Index(fields=["object_id", "id"], name="trail_by_object"),
            models.Index(
                fields=["outcome", "id"], name="trail_not_done", condition=models.Q(outcome__in=["refused", "failed"])
            ),
        ]


class PendingCopy(models.Model):
    """An entry of the control plane that the customer's own trail does not have yet."""

    plane = CONTROL

    entry_id = models.UUIDField(primary_key=True)
    customer_id = models.UUIDField()
    created_at = models.DateTimeField(default=now)


class Waiting(models.Model):
    """An entry that has no index in the log yet. The database adds the row with the entry, sealing removes it."""

    entry_id = models.UUIDField(primary_key=True)


class Leaf(models.Model):
    """Which place in the log an entry has. Given once, by `seal`; nobody may change it."""

    append_only = True

    index = models.BigIntegerField(primary_key=True)
    entry_id = models.UUIDField(unique=True)


class Tile(models.Model):
    """The hashes of one tile, as far as it is filled; only the last of a level still grows.

    A copy of what the entries say, kept so that proofs need not read them all: whoever changes it breaks proofs and
    changes no history, for checkpoints are signed.
    """

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()


class Head(models.Model):
    """How far the log is sealed, in one row, which also lets one process seal at a time."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    key_generation = models.IntegerField(default=1)
    overlap_until = models.DateTimeField(null=True)
    """Until then checkpoints carry the signature of the key before this one too."""


class SignedCheckpoint(models.Model):
    """A signed note over the first `size` entries: what this log can never take back."""

    append_only = True

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()
    at = models.DateTimeField(default=now)


class Cosignature(models.Model):
    """What a witness signed of a checkpoint: its lines of the note, verified before they were kept.

    Served with the checkpoint and verified by whoever reads it, so a forged row fools nobody who has the witness's key.
    """

    append_only = True

    size = models.BigIntegerField()
    key = models.CharField(max_length=400)
    lines = models.TextField()
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "size"], name="trail_one_cosignature")]


class Sink(models.Model):
    """Where a log is shipped to, and how far: the cursor moves when the other side has acknowledged, never before.

    Trust: written by whoever may set sinks, and by the worker. Whoever could write here could ship a log elsewhere or
    skip some of it; each change is an entry, and a receiver sees a gap by the index.
    """

    plane = CONTROL

    id = models.UUIDField(primary_key=True, default=new_id)
    customer_id = models.UUIDField(null=True, db_index=True)
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=10)
    address = models.CharField(max_length=2048)
    location = models.CharField(max_length=2)
    by_operator = models.BooleanField()
    plain_end = models.BooleanField()
    """Whether a stream's end without close_notify acknowledges: whoever is on the way could forge one."""
    secret = models.BinaryField(null=True)
    next_index = models.BigIntegerField(default=0)
    """The first entry of the log that was not acknowledged yet."""
    paused = models.BooleanField(default=False)
    failures = models.IntegerField(default=0)
    rejected_in_a_row = models.IntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, default="")
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer_id", "name"], nulls_distinct=False, name="trail_sink_name"),
        ]


class DeadLetter(models.Model):
    """An entry that a sink refused for good. The entry itself is in the log: what is kept is its place and why."""

    plane = CONTROL

    id = models.UUIDField(primary_key=True, default=new_id)
    sink = models.ForeignKey(Sink, on_delete=models.CASCADE, related_name="dead_letters")
    index = models.BigIntegerField()
    entry_id = models.UUIDField()
    reason = models.CharField(max_length=300)
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sink", "index"], name="trail_dead_letter_once")]


class ArchiveHead(models.Model):
    """How far the log is archived, in one row. `planned` is where the batch that is being written ends, kept before the
    first of its objects, so that a second try writes the same objects under the same names.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    planned = models.BigIntegerField(default=0)
    pruned = models.BigIntegerField(default=0)
    """Entries below this index are in the archive alone."""


class ArchivedPart(models.Model):
    """One object of the archive: written, read back and compared with the log before this row was.

    Trust: pruning believes it. Whoever forged one could remove entries from the database that no archive holds, and the
    log's tiles and checkpoints would show which are missing.
    """

    append_only = True

    key = models.CharField(primary_key=True, max_length=255)
    class_uid = models.IntegerField()
    day = models.DateField(db_index=True)
    start = models.BigIntegerField(db_index=True)
    """With `end`, the batch it was written in: every entry from `start` up to, not including, `end` is in one of its
    parts.
    """
    end = models.BigIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    rows = models.IntegerField()
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    version = models.CharField(max_length=128)
    manifest = models.TextField()
    at = models.DateTimeField(default=now)


class RemovedPart(models.Model):
    """An object that was removed from the archive when its retention was over."""

    append_only = True

    key = models.CharField(primary_key=True, max_length=255)
    at = models.DateTimeField(default=now)


class ArchiveTerms(models.Model):
    """How long one log is kept, and whether nothing of it may go. The operator's own is under the id of zeros."""

    plane = CONTROL

    customer_id = models.UUIDField(primary_key=True)
    retention_days = models.IntegerField(null=True)
    hot_days = models.IntegerField(null=True)
    hold = models.BooleanField(default=False)
    hold_reason = models.CharField(max_length=200, default="")


class SavedQuery(models.Model):
    """A question that somebody keeps under a name. The text is sealed: it may hold what it looks for."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=80, unique=True)
    text = models.BinaryField()
    made_by = models.CharField(max_length=64)
    at = models.DateTimeField(default=now)


class ServerLogReading(models.Model):
    """How far the log of one embedded cluster was read for logins."""

    plane = CONTROL

    cluster = models.CharField(primary_key=True, max_length=40)
    file = models.CharField(max_length=80, default="")
    offset = models.BigIntegerField(default=0)
