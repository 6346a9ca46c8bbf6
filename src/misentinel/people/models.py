"""People in a customer's store. Private to this domain.

Trust: written by `people.actions` as the customer's role. Whoever reads these rows without the vault learns how many
people there are, when they were seen, and which of them agree in a field; not one name, address or identifier.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id


class PersonRow(models.Model):
    """`sealed` is {"traits", "user_id", "anonymous_ids"} under the person's key; empty once merged into another."""

    id = models.UUIDField(primary_key=True, default=new_id)
    sealed = models.BinaryField()
    match = models.JSONField(default=dict)
    search = ArrayField(models.CharField(max_length=22), default=list)
    identified = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)
    last_seen_at = models.DateTimeField(default=now)
    merged_into = models.UUIDField(null=True)

    class Meta:
        db_table = "people_person"
        indexes = [
            GinIndex(fields=["match"], name="person_match", opclasses=["jsonb_path_ops"]),
            GinIndex(fields=["search"], name="person_search"),
            models.Index(fields=["last_seen_at"], name="person_last_seen"),
        ]


class IdentityRow(models.Model):
    """An identifier of a person, as the 128 bits of its token. Each kind has a field of its own, so two never meet."""

    token = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=12)
    person_id = models.UUIDField(db_index=True)

    class Meta:
        db_table = "people_identity"


class AttributeRow(models.Model):
    """What the customer declared about an attribute. Undeclared ones are personal."""

    name = models.CharField(max_length=120, primary_key=True)
    personal = models.BooleanField(default=True)
    declared_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "people_attribute"
