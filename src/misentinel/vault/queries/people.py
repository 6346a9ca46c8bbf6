"""People's keys, read in batches: what is held already, then one query for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import connections

from misentinel.kernel.errors import Tampered
from misentinel.vault import rules
from misentinel.vault.contracts import PersonKey
from misentinel.vault.queries import held
from misentinel.vault.queries.customers import ATTEMPTS, customer_cipher


def person_keys(customer_id: UUID, person_ids: Iterable[UUID]) -> dict[UUID, PersonKey]:
    """Returns the keys of those who have one; who never had one and who was erased are absent.

    A key that another process destroyed less than `CACHE_SECONDS` ago may still be among them.
    """
    wanted = dict.fromkeys(person_ids)
    found = held_person_keys(customer_id, wanted)
    missing = [person_id for person_id in wanted if person_id not in found]
    if missing:
        found.update(_read(customer_id, missing))
    return found


def held_person_keys(customer_id: UUID, person_ids: Iterable[UUID]) -> dict[UUID, PersonKey]:
    kept = held.people.get_many([(customer_id, person_id) for person_id in person_ids])
    return {key[1]: value for key, value in kept.items()}


def person_associated(customer_id: UUID, person_id: UUID, version: int) -> bytes:
    return rules.framed("person key", str(customer_id), str(person_id), str(version))


def _read(customer_id: UUID, person_ids: list[UUID]) -> dict[UUID, PersonKey]:
    """Reads and unwraps. What was wrapped by a version that a rotation retired meanwhile is read once more."""
    found: dict[UUID, PersonKey] = {}
    rest = person_ids
    for _ in range(ATTEMPTS):
        ticket = held.people.ticket()
        stale: list[UUID] = []
        fresh: dict[tuple[UUID, UUID], PersonKey] = {}
        for person_id, wrapped, version in _rows(customer_id, rest):
            cipher = customer_cipher(customer_id, version)
            if cipher is None:
                stale.append(person_id)
                continue
            key = cipher.open(person_associated(customer_id, person_id, version), wrapped)
            fresh[customer_id, person_id] = PersonKey(customer_id, person_id, key)
        held.people.keep_many(fresh, ticket)
        found.update((key[1], value) for key, value in fresh.items())
        if not stale:
            return found
        rest = stale
    raise Tampered(f"The vault of customer {customer_id} names a version of their key that it does not have.")


def _rows(customer_id: UUID, person_ids: list[UUID]) -> list[tuple[UUID, bytes, int]]:
    with connections["vault"].cursor() as cursor:
        cursor.execute(
            "SELECT person_id, wrapped, key_version FROM vault_personkey"
            " WHERE customer_id = %s AND person_id = ANY(%s::uuid[]) AND wrapped IS NOT NULL",
            [customer_id, person_ids],
        )
        return list(cursor.fetchall())
