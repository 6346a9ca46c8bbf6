"""Making and editing a person by hand, from the console or the API; the trail entry carries before and after."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Conflict, Erased, NotFound
from misentinel.people.actions import records
from misentinel.people.actions.recognising import recognise, until_settled
from misentinel.people.contracts import PersonRef
from misentinel.people.rules import merged_traits
from misentinel.store import outbox
from misentinel.store.contracts import Store, Topic
from misentinel.store.statements import run
from misentinel.trail import actions as trail
from misentinel.trail.contracts import Tag
from misentinel.vault import queries as vault


def create_person(store: Store, actor: Actor, user_id: str, traits: dict[str, Any]) -> UUID:
    """Adds a person. Raises `Conflict` if the user id is somebody's already."""

    def create(exclusive: bool) -> UUID:
        with store.atomic():
            recognised = recognise(store, actor, [PersonRef(user_id, traits=traits)], exclusive=exclusive)
            if not recognised.created:
                raise Conflict("Somebody has this user id already.")
            (person_id,) = recognised.created
            trail.record(
                store, actor, Tag.PERSON_CREATE, object_kind="person", object_id=person_id, person_id=person_id,
                details={"fields": sorted(traits)}, after={"traits": traits, "user_id": user_id},
            )  # fmt: skip
        return person_id

    return until_settled(create)


def edit_person(store: Store, actor: Actor, person_id: UUID, traits: dict[str, Any]) -> None:
    """Says `traits` of a person; None takes one away. Raises `NotFound`, `Erased`."""
    with store.atomic():
        rows = run(
            store, "SELECT sealed FROM people_person WHERE id = %b AND merged_into IS NULL FOR UPDATE", [person_id]
        )
        if not rows:
            raise NotFound("There is no such person.")
        key = vault.person_keys(store.customer_id, [person_id]).get(person_id)
        if key is None:
            raise Erased("This person was erased.")
        before = records.opened(key, person_id, rows[0][0])
        after = {**before, "traits": merged_traits(before["traits"], traits)}
        records.replace(store, vault.tokens(store.customer_id), key, person_id, after)
        trail.record(
            store, actor, Tag.PERSON_EDIT, object_kind="person", object_id=person_id, person_id=person_id,
            details={"fields": sorted(traits)},
            before={name: before["traits"].get(name) for name in traits},
            after={name: after["traits"].get(name) for name in traits},
        )  # fmt: skip
        outbox.put(store, Topic.PEOPLE_CHANGED, {"ids": [str(person_id)], "merged": {}})
