"""What crosses the border of people: references to them as they come in, people as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from misentinel.vault.contracts import PersonKey

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PersonRef(NamedTuple):
    """Whom an item speaks of, and what it says. `previous_id` asks to join that identifier's person to this one.

    A tuple, as they come by the thousand a second and a frozen dataclass is five times as slow to make.
    """

    user_id: str = ""
    anonymous_id: str = ""
    previous_id: str = ""
    traits: Mapping[str, Any] = _NOTHING
    seen_at: datetime | None = None


class StartAgain(Exception):
    """Somebody else was first, or the exclusive lock is needed: the whole transaction must be tried again."""

    def __init__(self, *, exclusive: bool = False) -> None:
        super().__init__("the transaction must be tried again")
        self.exclusive = exclusive


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who was meant: an id for each reference, in order (None: erased), and whose records were made or changed.

    `merged` maps the absorbed to the survivor: their keys must be destroyed once the change has committed.
    """

    ids: tuple[UUID | None, ...]
    keys: Mapping[UUID, PersonKey]
    created: tuple[UUID, ...] = ()
    changed: tuple[UUID, ...] = ()
    merged: dict[UUID, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A person, opened."""

    id: UUID
    traits: dict[str, Any]
    user_id: str
    anonymous_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime

    @property
    def email(self) -> str:
        return _text(self.traits.get("email"))

    @property
    def name(self) -> str:
        first, last = _text(self.traits.get("firstName")), _text(self.traits.get("lastName"))
        return _text(self.traits.get("name")) or f"{first} {last}".strip()


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """People, the latest first. `next` continues with `after=next`; None at the end."""

    people: list[Person]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class AttributeView:
    """A declared attribute of people. Where `personal` is false its text is kept in clear, for every operator."""

    name: str
    personal: bool
    declared_at: datetime


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
