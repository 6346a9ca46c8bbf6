"""Connections to customers' identity providers, sign-ins that are on their way, and assertions seen before."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.models.accounts import Teammate


class Connection(models.Model):
    """One customer's identity provider. `secret` is what the vault sealed: the client secret of OIDC, or the private
    key with which our SAML requests are signed. Without the vault it opens nothing.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=4)
    google = models.BooleanField(default=False)
    name = models.CharField(max_length=60)
    issuer = models.CharField(max_length=500)
    client_id = models.CharField(max_length=255, default="")
    sign_in_url = models.CharField(max_length=500, default="")
    certificates = ArrayField(models.TextField(), default=list)
    own_certificate = models.TextField(default="")
    secret = models.BinaryField()
    tested_at = models.DateTimeField(null=True)
    enforced = models.BooleanField(default=False)
    break_glass = models.ForeignKey(Teammate, on_delete=models.PROTECT, null=True, related_name="+")
    just_in_time = models.BooleanField(default=False)
    default_permissions = ArrayField(models.CharField(max_length=40), default=list)
    ceiling = ArrayField(models.CharField(max_length=40), default=list)
    """What provisioning may hand out at the most, and whose holders may enrol with the provider's word alone."""
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(enforced=False) | (Q(tested_at__isnull=False) & Q(break_glass__isnull=False)),
                name="teammates_enforced_is_tested",
            )
        ]


class ConnectionDomain(models.Model):
    """An e-mail domain, in IDNA form. The primary key is what keeps two connections from listing it both."""

    domain = models.CharField(primary_key=True, max_length=253)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="listed")


class SingleSignOn(models.Model):
    """One sign-in on its way through a provider, held by the browser whose session names it. Answered once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    state = models.BinaryField(max_length=32, unique=True)
    nonce = models.CharField(max_length=64)
    verifier = models.CharField(max_length=128, default="")
    tester = models.UUIDField(null=True)
    begun_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, null=True, related_name="+")
    said = models.CharField(max_length=300, default="")


class SeenAssertion(models.Model):
    """The id of an assertion that was taken, until it could not be taken any more anyway."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "digest"], name="teammates_assertion_once")]
