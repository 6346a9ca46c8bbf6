"""Who is meant: from the identifiers of a batch to people, known, new, or found to be the same. Pure.

The rules: a user id names one person for good. An anonymous id belongs to the first person it was seen with; seen later
with another *identified* person (a shared device) it stays where it is, and the item belongs to the user id. A person
known only by anonymous ids becomes, or is absorbed by, the user they turn out to be. An alias joins by request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Kind(StrEnum):
    """What sort of identifier a token stands for. The values are stored, and are the fields of the tokens."""

    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"


class Wanted(NamedTuple):
    """The tokens of one reference. An alias's previous id may be of either kind."""

    user: bytes | None = None
    anonymous: bytes | None = None
    previous_user: bytes | None = None
    previous_anonymous: bytes | None = None


class Known(NamedTuple):
    """Whose a token is, as the store has it."""

    person_id: UUID
    identified: bool
    last_seen_at: datetime


@dataclass(slots=True)
class Plan:
    """What must become of the store for every reference to have its person. `ids` are in the order of references."""

    ids: list[UUID] = field(default_factory=list)
    created: dict[UUID, None] = field(default_factory=dict)
    identities: dict[bytes, tuple[Kind, UUID]] = field(default_factory=dict)
    identified: set[UUID] = field(default_factory=set)
    merges: dict[UUID, UUID] = field(default_factory=dict)

    def final(self, person_id: UUID) -> UUID:
        """Who `person_id` is once all merges are done."""
        while person_id in self.merges:
            person_id = self.merges[person_id]
        return person_id


def resolve(wanted: Sequence[Wanted], known: Mapping[bytes, Known], new_id: Callable[[], UUID]) -> Plan:
    """Returns the plan. References are taken in order, each seeing what those before it brought."""
    resolution = _Resolution(known, new_id)
    for each in wanted:
        resolution.take(each)
    plan = resolution.plan
    plan.ids = [plan.final(person_id) for person_id in plan.ids]
    plan.identities = {token: (kind, plan.final(owner)) for token, (kind, owner) in plan.identities.items()}
    for absorbed in plan.merges:
        plan.created.pop(absorbed, None)
    already = resolution.identified_before
    plan.identified = {plan.final(person_id) for person_id in plan.identified - already}
    plan.merges = {
        absorbed: plan.final(survivor) for absorbed, survivor in plan.merges.items() if absorbed not in resolution.fresh
    }
    return plan


class _Resolution:
    def __init__(self, known: Mapping[bytes, Known], new_id: Callable[[], UUID]) -> None:
        self.plan = Plan()
        self.owner = {token: each.person_id for token, each in known.items()}
        self.identified_before = {each.person_id for each in known.values() if each.identified}
        self.plan.identified = set(self.identified_before)
        self.fresh: set[UUID] = set()
        self.new_id = new_id

    def take(self, wanted: Wanted) -> None:
        user, anonymous = self._whose(wanted.user), self._whose(wanted.anonymous)
        if wanted.user is None:
            person = anonymous or self._create()
        elif user is not None:
            person = user
            if anonymous is not None and anonymous != user and anonymous not in self.plan.identified:
                self.plan.merges[anonymous] = user
        elif anonymous is not None and anonymous not in self.plan.identified:
            person = anonymous
        else:
            person = self._whose(wanted.previous_user) or self._whose(wanted.previous_anonymous) or self._create()
        self._attach(wanted.user, Kind.USER_ID, person)
        self._attach(wanted.anonymous, Kind.ANONYMOUS_ID, person)
        if wanted.user is not None:
            self.plan.identified.add(person)
        self._alias(wanted, person)
        self.plan.ids.append(person)

    def _alias(self, wanted: Wanted, person: UUID) -> None:
        if wanted.previous_anonymous is None:
            return
        for token in (wanted.previous_user, wanted.previous_anonymous):
            previous = self._whose(token)
            if previous is not None and previous != self.plan.final(person):
                self.plan.merges[previous] = self.plan.final(person)
        if self._whose(wanted.previous_user) is None:
            self._attach(wanted.previous_anonymous, Kind.ANONYMOUS_ID, person)

    def _whose(self, token: bytes | None) -> UUID | None:
        owner = self.owner.get(token) if token is not None else None
        return self.plan.final(owner) if owner is not None else None

    def _attach(self, token: bytes | None, kind: Kind, person: UUID) -> None:
        if token is not None and token not in self.owner:
            self.owner[token] = person
            self.plan.identities[token] = (kind, person)

    def _create(self) -> UUID:
        person = self.new_id()
        self.plan.created[person] = None
        self.fresh.add(person)
        return person
