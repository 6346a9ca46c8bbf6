"""Teammates, the links with which they enrol, and their recovery codes."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models

from misentinel.kernel.actor import OPERATOR_ID, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id


class Teammate(AbstractBaseUser):
    """One person of one customer's staff, or of the operator's own (`OPERATOR_ID`).

    `email` is casefolded and names one teammate in the whole installation.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField(db_index=True)
    email = models.EmailField(unique=True, max_length=254)
    name = models.CharField(max_length=120)
    shipped_role = models.CharField(max_length=40, default="")
    role = models.ForeignKey("teammates.Role", on_delete=models.PROTECT, null=True, related_name="teammates")
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    """Single permissions, on top of the role's."""
    invited_at = models.DateTimeField(default=now)
    enrolled_at = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    password_compromised_at = models.DateTimeField(null=True)
    """When there was evidence that somebody else knows the password. Until a new one is chosen, nothing opens."""
    totp_counter = models.BigIntegerField(default=0)
    """The time step of the last TOTP code let through. Only a later step is let through next (RFC 6238, 5.2)."""

    objects = BaseUserManager["Teammate"]()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(shipped_role="") | models.Q(role=None), name="teammates_one_role_each"
            )
        ]

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    @property
    def actor_kind(self) -> ActorKind:
        return ActorKind.OPERATOR if self.customer_id == OPERATOR_ID else ActorKind.TEAMMATE

    @property
    def may_sign_in(self) -> bool:
        return self.enrolled_at is not None and self.suspended_at is None


class Enrolment(models.Model):
    """A one-time link. What its holder has chosen so far waits here and takes effect in one go, with the code.

    `token_digest` is SHA-256 of 256 random bits: nothing to guess, so nothing that a slow hash would slow down.
    `opens_at` is empty where the link opens at once.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="enrolments")
    token_digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=now)
    opens_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    pending_password = models.CharField(max_length=128, default="")
    pending_secret = models.TextField(default="")


class EmailChange(models.Model):
    """A change of one's own address: asked for, then confirmed by a link sent to the new one, then for seven days
    taken back by a link sent to the old one. Both links are kept as digests, see `Enrolment`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="email_changes")
    before = models.EmailField(max_length=254)
    after = models.EmailField(max_length=254)
    confirm_digest = models.BinaryField(max_length=32, unique=True)
    undo_digest = models.BinaryField(max_length=32, unique=True, null=True)
    asked_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)


class RecoveryCode(models.Model):
    """One of ten ways in without the authenticator, usable once. 120 random bits, so a plain digest is enough."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    teammate = models.ForeignKey(Teammate, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["teammate", "digest"], name="teammates_recovery_code")]
