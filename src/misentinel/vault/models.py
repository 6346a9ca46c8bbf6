"""The vault's rows: wrapped keys and tombstones. Private to the vault, in a database of its own.

Trust: whoever reads these rows and cannot use the root key learns how many keys there are, whose (opaque ids), and when
each was made or destroyed; nothing opens. In every table `wrapped` is null exactly when `destroyed_at` is set, and the
database refuses to fill, change or delete a tombstone (migration 0002).
"""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint


def _tombstone_or_key(table: str) -> CheckConstraint:
    has_key = Q(wrapped__isnull=False, destroyed_at__isnull=True)
    is_tombstone = Q(wrapped__isnull=True, destroyed_at__isnull=False)
    return CheckConstraint(condition=has_key | is_tombstone, name=f"vault_{table}_key_or_tombstone")


class CustomerKey(models.Model):
    """A version of a customer's key, wrapped by the root key. Two are live only while a rotation is under way."""

    customer_id = models.UUIDField()
    version = models.PositiveIntegerField()
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["customer_id", "version"], name="vault_customerkey_version"),
            _tombstone_or_key("customerkey"),
        ]


class TokenKey(models.Model):
    """What a customer's tokens are made with, wrapped by the customer's key. Stays the same through every rotation."""

    customer_id = models.UUIDField(primary_key=True)
    wrapped = models.BinaryField(null=True)
    key_version = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [_tombstone_or_key("tokenkey")]


class PersonKey(models.Model):
    """One person's key, wrapped by version `key_version` of the customer's key, or the tombstone of one."""

    pk = models.CompositePrimaryKey("customer_id", "person_id")
    customer_id = models.UUIDField()
    person_id = models.UUIDField()
    wrapped = models.BinaryField(null=True)
    key_version = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [_tombstone_or_key("personkey")]


class ServiceKey(models.Model):
    """The installation's own key, wrapped by the root key; the key of every purpose is derived from it."""

    purpose = models.CharField(max_length=20, unique=True)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()
