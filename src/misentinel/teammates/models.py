"""Teammates, their factors, sessions and keys (control plane).

Written by this domain's actions only. Whoever could write here could let themselves in as anyone, so no other
domain and no customer's role reaches these tables. Whoever can only read here learns names and addresses of
teammates and no way in: passwords are argon2id, TOTP seeds are sealed by the vault, links, keys, recovery
codes and session keys are digests.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.contracts import CredentialKind


class TeammateManager(BaseUserManager["Teammate"]):
    def get_by_natural_key(self, username: str | None) -> Teammate:
        return self.get(email=(username or "").casefold())


class Teammate(AbstractBaseUser):
    """One person of one customer's staff. `email` is casefolded and names one teammate in the whole installation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField(db_index=True)
    email = models.EmailField(unique=True, max_length=254)
    name = models.CharField(max_length=120)
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    invited_at = models.DateTimeField(default=now)
    enrolled_at = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    totp_counter = models.BigIntegerField(default=0)
    """The time step of the last TOTP code let through. Only a later step is let through next (RFC 6238, 5.2)."""

    objects = TeammateManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    @property
    def may_sign_in(self) -> bool:
        return self.enrolled_at is not None and self.suspended_at is None


class Enrolment(models.Model):
    """A one-time link. What its holder has chosen so far waits here and takes effect in one go, with the code.

    `token_digest` is SHA-256 of 256 random bits: nothing to guess, so nothing that a slow hash would slow down.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="enrolments")
    token_digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    pending_password = models.CharField(max_length=128, default="")
    pending_secret = models.TextField(default="")


class RecoveryCode(models.Model):
    """One of ten ways in without the authenticator, usable once. 80 random bits, so a plain digest is enough."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["teammate", "digest"], name="teammates_recovery_code")]


class SessionRecord(models.Model):
    """One signed-in browser. Revoking it here ends it: every request looks it up afresh."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="session_records")
    device = models.CharField(max_length=120)
    address = models.CharField(max_length=45)
    started_at = models.DateTimeField(default=now)
    last_seen_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["teammate", "ended_at"], name="teammates_session_live")]


class Credential(models.Model):
    """A key for programs. `digest` is SHA-256 of 256 random bits, see `Enrolment`; `hint` is what lists show."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=12, choices=[(kind.value, kind.value) for kind in CredentialKind])
    name = models.CharField(max_length=120)
    digest = models.BinaryField(max_length=32, unique=True)
    hint = models.CharField(max_length=20)
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind=CredentialKind.WRITE_KEY.value) | models.Q(permissions=["write-events"]),
                name="teammates_write_keys_only_write",
            )
        ]


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
