"""Leaving people in peace, by the link that every message carries."""

from __future__ import annotations

from uuid import UUID

from misentinel.kernel.actor import Actor
from misentinel.messages.contracts import Reason
from misentinel.messages.models import SuppressionRow
from misentinel.messages.queries.unsubscribing import Unsubscription
from misentinel.store.contracts import Store
from misentinel.trail.actions import record
from misentinel.trail.contracts import Tag


def unsubscribe(store: Store, actor: Actor, link: Unsubscription) -> None:
    """From now on nothing is sent to the person, nor to the address that the message went to. Safe to repeat."""
    subjects = [f"p:{link.person_id}", *([f"e:{link.address}"] if link.address else [])]
    with store.atomic():
        SuppressionRow.objects.using(store.alias).bulk_create(
            [_suppression(subject, link.delivery_id) for subject in subjects], ignore_conflicts=True
        )
        record(
            store, actor, Tag.UNSUBSCRIBE, object_kind="delivery", object_id=link.delivery_id,
            person_id=link.person_id,
        )  # fmt: skip


def _suppression(subject: str, delivery_id: UUID) -> SuppressionRow:
    return SuppressionRow(subject=subject, reason=Reason.UNSUBSCRIBED.value, delivery_id=delivery_id)
