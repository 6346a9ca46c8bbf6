"""What a customer's directory says over SCIM: whom it manages, and its groups."""

from __future__ import annotations

from django.db import models

from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.models.accounts import Teammate
from misentinel.teammates.models.single_sign_on import Connection


class Provisioned(models.Model):
    """A teammate as the directory knows one. `withdrawn_at`: it deleted them, and sees them no more.

    `given_role` is the role that a group gave; what somebody gave by hand is never taken away by a directory.
    """

    teammate = models.OneToOneField(Teammate, on_delete=models.CASCADE, primary_key=True, related_name="provisioned")
    external_id = models.CharField(max_length=255, default="")
    given_role = models.CharField(max_length=40, default="")
    withdrawn_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=now)


class DirectoryGroup(models.Model):
    """A group of the directory. `role` is what an administrator lets its members have, by role id; "" is nothing."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="groups")
    name = models.CharField(max_length=120)
    external_id = models.CharField(max_length=255, default="")
    role = models.CharField(max_length=40, default="")
    members = models.ManyToManyField(Teammate, related_name="directory_groups")
    created_at = models.DateTimeField(default=now)
    changed_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="teammates_group_name")]
