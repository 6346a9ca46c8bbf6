"""Passkeys, and the challenges that they answer."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.models.accounts import Teammate


class Passkey(models.Model):
    """A public key whose private half never leaves its owner's device. Whoever reads this table can sign nothing.

    Not a row of allauth's `Authenticator`: there the credential's id and counter are inside a JSON document, where no
    constraint keeps the id unique and no single statement moves the counter forward.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="passkeys")
    credential_id = models.BinaryField(max_length=1023, unique=True)
    public_key = models.BinaryField()
    """The attested credential data, as the authenticator sent it (WebAuthn, 6.5.1)."""
    sign_count = models.BigIntegerField(default=0)
    synced = models.BooleanField(default=False)
    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(default=now)
    last_used_at = models.DateTimeField(null=True)


class Challenge(models.Model):
    """What a passkey has to sign next: one for each browser session and purpose, used up by one answer.

    `bound_to` is a random value that only the server-side session of that browser holds.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    purpose = models.CharField(max_length=20)
    bound_to = models.CharField(max_length=64)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, null=True, related_name="+")
    value = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["purpose", "bound_to"], name="teammates_one_challenge")]
        indexes = [models.Index(fields=["expires_at"], name="teammates_challenge_end")]
