"""Two records that turn out to be one person. The absorbed one's key is destroyed once the merge has committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from misentinel.kernel.actor import Actor
from misentinel.people.actions import records
from misentinel.people.rules import Plan, joined_ids
from misentinel.store.contracts import Store
from misentinel.store.statements import run, uuids
from misentinel.trail import actions as trail
from misentinel.trail.contracts import Tag
from misentinel.vault import actions as vault_actions
from misentinel.vault import queries as vault
from misentinel.vault.contracts import PersonKey


def absorb(store: Store, actor: Actor, plan: Plan, keys: Mapping[UUID, PersonKey]) -> None:
    """Moves identities and what is known from each absorbed person to its survivor. What the survivor knows wins.

    The absorbed row stays, empty, to say who they became. Needs the exclusive lock on identities.
    """
    people = sorted({*plan.merges, *plan.merges.values()})
    rows = run(store, "SELECT id, sealed FROM people_person WHERE id = ANY(%b) ORDER BY id FOR UPDATE", [uuids(people)])
    documents = {
        person_id: records.opened(keys[person_id], person_id, sealed) for person_id, sealed in rows if person_id in keys
    }
    tokens = vault.tokens(store.customer_id)
    for absorbed, survivor in plan.merges.items():
        run(store, "UPDATE people_identity SET person_id = %b WHERE person_id = %b", [survivor, absorbed])
        run(
            store,
            "UPDATE people_person SET merged_into = %b, sealed = '', match = '{}', search = '{}' WHERE id = %b",
            [survivor, absorbed],
        )
        trail.record(
            store, actor, Tag.PERSON_MERGE, object_kind="person", object_id=absorbed, person_id=survivor,
            details={"absorbed": str(absorbed), "survivor": str(survivor)},
        )  # fmt: skip
        if absorbed in documents and survivor in documents:
            documents[survivor] = _joined(documents[survivor], documents[absorbed])
            records.replace(store, tokens, keys[survivor], survivor, documents[survivor])


def destroy_absorbed_keys(store: Store, payload: dict[str, Any]) -> None:
    """Handles `PEOPLE_CHANGED`: nothing is sealed under an absorbed person's key any more, so the key goes."""
    absorbed = [UUID(person_id) for person_id in payload.get("merged", {})]
    if absorbed:
        vault_actions.shred_people(store.customer_id, absorbed)


def _joined(survivor: dict[str, Any], absorbed: dict[str, Any]) -> dict[str, Any]:
    return {
        "traits": {**absorbed["traits"], **survivor["traits"]},
        "user_id": survivor["user_id"] or absorbed["user_id"],
        "anonymous_ids": joined_ids([*absorbed["anonymous_ids"], *survivor["anonymous_ids"]]),
    }
