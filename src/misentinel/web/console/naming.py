"""Who is behind an actor on the trail, in words: teammates and keys by name, others by what they are."""

from __future__ import annotations

from uuid import UUID

from misentinel.kernel.actor import ActorKind
from misentinel.teammates.queries import list_credentials, list_operators, list_teammates

KINDS = {
    ActorKind.TEAMMATE: "A teammate",
    ActorKind.API_TOKEN: "API token",
    ActorKind.WRITE_KEY: "Write key",
    ActorKind.PROVISIONING_KEY: "Provisioning key",
    ActorKind.PERSON: "The person",
    ActorKind.OPERATOR: "Operator",
    ActorKind.SYSTEM: "MiSentinel",
    ActorKind.ANONYMOUS: "Somebody not signed in",
}


class Names:
    """The names of one customer's teammates and keys, and of the operator's staff, looked up once for a page."""

    def __init__(self, customer_id: UUID) -> None:
        self.teammates = {str(t.id): t.name or t.email for t in list_teammates(customer_id)}
        self.operators = {str(o.id): o.name for o in list_operators()}
        self._keys = {str(c.id): c.name for c in list_credentials(customer_id)}

    def who(self, kind: str, actor_id: str) -> str:
        """Returns for example "Asha Rao", "Write key “Website”" or "MiSentinel (worker)"."""
        if kind == ActorKind.TEAMMATE and actor_id in self.teammates:
            return self.teammates[actor_id]
        if kind == ActorKind.OPERATOR and actor_id in self.operators:
            return f"{self.operators[actor_id]} (operator)"
        told = KINDS.get(ActorKind(kind), kind)
        if actor_id in self._keys:
            return f"{told} “{self._keys[actor_id]}”"
        if kind in (ActorKind.SYSTEM, ActorKind.OPERATOR):
            return f"{told} ({actor_id})"
        return told
