"""Tries to sign in, for as long as they count."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id


class SignInFailure(models.Model):
    """One failed or still running try. `account` and `address` are keyed digests: a list of tries names nobody."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.BinaryField(max_length=32)
    address = models.BinaryField(max_length=32)
    at = models.DateTimeField(default=now)

    class Meta:
        indexes = [
            models.Index(fields=["account", "at"], name="teammates_tries_account"),
            models.Index(fields=["address", "at"], name="teammates_tries_address"),
        ]
