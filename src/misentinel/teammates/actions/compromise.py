"""Evidence that a password is known to somebody else: whose it is must choose a new one before anything else.

The evidence is what an administrator or operator says, the person themselves ("this was not me"), or the breach corpus.
Without evidence nobody is ever asked to change (SP 800-63B-4, 3.1.1.2).
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from django.db import transaction

from misentinel.kernel import settings
from misentinel.kernel.actor import Actor, system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, NotFound
from misentinel.teammates.actions.sessions import end_all
from misentinel.teammates.models import Teammate
from misentinel.teammates.passwords import loading
from misentinel.teammates.passwords.blocklist import Progress
from misentinel.teammates.passwords.loading import Loaded
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag


def load_blocklist(actor: Actor, source: Path, progress: Progress | None = None) -> Loaded:
    """Puts a breach corpus in force, in place of an earlier one. Raises `Invalid` for what is none."""
    loaded = loading.load(source, settings.load().home, progress)
    record_control(
        actor, Tag.BLOCKLIST_LOAD, object_kind="blocklist",
        details={"kind": loaded.kind.title, "digests": loaded.digests, "wrong_lines": loaded.wrong_lines},
    )  # fmt: skip
    return loaded


def mark_compromised(actor: Actor, customer_id: UUID, teammate_id: UUID) -> None:
    """Ends the teammate's sessions; their next sign-in must choose a new password before anything else.

    Raises `NotFound`, also for another customer's teammate, and `Conflict` for one who has no password yet.
    """
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().filter(id=teammate_id, customer_id=customer_id).first()
        if teammate is None:
            raise NotFound("There is no such teammate.")
        if teammate.enrolled_at is None:
            raise Conflict("This teammate has no password yet.")
        mark(actor, teammate, evidence="told")
        end_all(actor, teammate)


def mark(actor: Actor, teammate: Teammate, *, evidence: str) -> None:
    """Marks the password, in the caller's transaction, if it is not marked already."""
    if teammate.password_compromised_at is not None:
        return
    teammate.password_compromised_at = now()
    teammate.save(update_fields=["password_compromised_at"])
    record_control(
        actor, Tag.PASSWORD_COMPROMISE, customer_id=teammate.customer_id, object_kind="teammate",
        object_id=teammate.id, details={"evidence": evidence},
    )  # fmt: skip


def by_corpus() -> Actor:
    return system("breach-corpus")
