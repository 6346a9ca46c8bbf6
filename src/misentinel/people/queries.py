"""Reading people: opened one by one or in batches, found by the beginning of a name, an address or a user id."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from misentinel.kernel.errors import NotFound
from misentinel.people.contracts import AttributeView, PeoplePage, Person
from misentinel.people.models import AttributeRow, IdentityRow, PersonRow
from misentinel.people.rules import SEARCH_FIELD, Kind
from misentinel.store.contracts import Store
from misentinel.vault import queries as vault
from misentinel.vault.contracts import PersonKey, Place

_COLUMNS = ("id", "sealed", "created_at", "updated_at", "last_seen_at")


def get_person(store: Store, person_id: UUID) -> Person:
    """Returns the person, also by the id of a record that was merged into theirs. Raises `NotFound`, for erased too."""
    row = PersonRow.objects.using(store.alias).filter(id=person_id).values_list("merged_into", flat=True).first()
    people = open_many(store, [row or person_id])
    if not people:
        raise NotFound("There is no such person.")
    return next(iter(people.values()))


def open_many(store: Store, person_ids: Iterable[UUID]) -> dict[UUID, Person]:
    """Returns the people by id, opened; who is unknown, merged or erased is absent. Two queries however many."""
    rows = _rows(store).filter(id__in=list(person_ids)).values_list(*_COLUMNS)
    return _opened(store, list(rows))


def list_people(store: Store, *, search: str = "", after: UUID | None = None, limit: int = 50) -> PeoplePage:
    """Returns a page of people, the latest made first. Each word of `search` must begin a word of a name, an address
    or the user id.
    """
    rows = _found(store, search)
    if after is not None:
        rows = rows.filter(id__lt=after)
    found = list(rows.order_by("-id").values_list(*_COLUMNS)[: limit + 1])
    page = found[:limit]
    people = _opened(store, page)
    return PeoplePage(list(people.values()), page[-1][0] if len(found) > limit else None)


def count_people(store: Store, *, search: str = "") -> int:
    return int(_found(store, search).count())


def find_by_email(store: Store, address: str) -> list[UUID]:
    """Returns the ids of those whose e-mail is `address`."""
    token = vault.tokens(store.customer_id).email(address)
    return list(_rows(store).filter(match__contains={"email": token}).values_list("id", flat=True))


def find_by_user_id(store: Store, user_id: str) -> UUID | None:
    token = UUID(bytes=vault.tokens(store.customer_id).bits(Kind.USER_ID, user_id))
    found: UUID | None = (
        IdentityRow.objects.using(store.alias).filter(token=token).values_list("person_id", flat=True).first()
    )
    return found


def list_attributes(store: Store) -> list[AttributeView]:
    rows = AttributeRow.objects.using(store.alias).order_by("name")
    return [AttributeView(row.name, row.personal, row.declared_at) for row in rows]


def _rows(store: Store) -> Any:
    return PersonRow.objects.using(store.alias).filter(merged_into=None)


def _found(store: Store, search: str) -> Any:
    if not search.strip():
        return _rows(store)
    wanted = vault.tokens(store.customer_id).search(SEARCH_FIELD, search)
    return _rows(store).filter(search__contains=wanted) if wanted else _rows(store).none()


def _opened(store: Store, rows: list[tuple[UUID, Any, datetime, datetime, datetime]]) -> dict[UUID, Person]:
    keys = vault.person_keys(store.customer_id, [row[0] for row in rows])
    return {row[0]: _person(keys[row[0]], *row) for row in rows if row[0] in keys}


def _person(
    key: PersonKey, person_id: UUID, sealed: Any, created_at: datetime, updated_at: datetime, last_seen_at: datetime
) -> Person:
    document = orjson.loads(key.open(Place("people_person", "sealed", person_id), bytes(sealed)))
    return Person(
        person_id, document["traits"], document["user_id"], tuple(document["anonymous_ids"]),
        created_at, updated_at, last_seen_at,
    )  # fmt: skip
