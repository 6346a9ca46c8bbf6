"""What the attacks on the operator's access share: what is asked for, and what the customer is told."""

from __future__ import annotations

from uuid import UUID

from django.test import Client

from misentinel.kernel.actor import Actor
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import Teammate
from misentinel.trail.contracts import EntryFilter, EntryView
from misentinel.trail.queries import list_entries

REASON = "Ticket 4711: imports fail since Monday"
LOOKS = {Permission.USER_DATA: "/people", Permission.TRAIL: "/trail", Permission.APP_SETTINGS: "/settings"}


def by(teammate: Teammate) -> Actor:
    return Actor(teammate.actor_kind, str(teammate.id))


def enter(client: Client, access_id: UUID) -> Client:
    assert client.post(f"/operator/accesses/{access_id}/enter").status_code == 302
    return client


def told(store, **wanted: str) -> list[EntryView]:
    return list_entries(store, EntryFilter(**wanted), limit=200).entries
