"""The link that every message carries, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from misentinel.kernel.errors import NotFound
from misentinel.messages.models import DeliveryRow, SuppressionRow
from misentinel.messages.rules.tokens import read_unsubscribe_token, unsubscribe_token
from misentinel.store.contracts import Store
from misentinel.store.queries import get_store
from misentinel.vault import queries as vault

PURPOSE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """What a link is about. `address` is a token; `done` says that it was used before."""

    store: Store
    delivery_id: UUID
    person_id: UUID
    address: str
    done: bool


def unsubscribe_urls(base_url: str, customer_id: UUID) -> Callable[[UUID], str]:
    """Returns what makes a delivery's address, the one that works without signing in."""
    key = vault.service_key(PURPOSE)
    return lambda delivery_id: f"{base_url}/u/{unsubscribe_token(key, customer_id, delivery_id)}"


def find_unsubscription(token: str) -> Unsubscription:
    """Returns what `token` is about. Raises `NotFound`, the same for every token that means nothing."""
    ids = read_unsubscribe_token(vault.service_key(PURPOSE), token)
    if ids is None:
        raise NotFound("This link is not one of ours.")
    store = get_store(ids[0])
    row = DeliveryRow.objects.using(store.alias).filter(id=ids[1]).first()
    if row is None:
        raise NotFound("This link is not one of ours.")
    done = SuppressionRow.objects.using(store.alias).filter(subject=f"p:{row.person_id}").exists()
    return Unsubscription(store, row.id, row.person_id, row.address, done)
