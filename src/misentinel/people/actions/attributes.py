"""Declaring what kind of attribute a name stands for."""

from __future__ import annotations

from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid
from misentinel.people.models import AttributeRow
from misentinel.store.contracts import Store
from misentinel.trail import actions as trail
from misentinel.trail.contracts import Tag

NEVER_IN_CLEAR = frozenset({"email", "name", "firstName", "lastName", "first_name", "last_name", "phone", "address"})


def declare_attribute(store: Store, actor: Actor, name: str, *, personal: bool) -> None:
    """Declares an attribute personal or not. It holds for what is said from now on; known people follow when they
    change. Raises `Invalid` for a name that cannot be anything but personal.
    """
    if not name or len(name) > 120:
        raise Invalid("An attribute's name is 1 to 120 characters long.")
    if not personal and (name in NEVER_IN_CLEAR or name.split(".")[0] in NEVER_IN_CLEAR):
        raise Invalid(f"{name} names or reaches a person: it is always personal.")
    with store.atomic():
        AttributeRow.objects.using(store.alias).update_or_create(
            name=name, defaults={"personal": personal, "declared_at": now()}
        )
        trail.record(
            store, actor, Tag.ATTRIBUTE_DECLARE, object_kind="attribute", object_id=name[:64],
            details={"personal": personal},
        )  # fmt: skip
