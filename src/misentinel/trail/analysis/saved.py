"""Questions kept under a name, for everybody who may read the trail. Their text is sealed: it may name somebody.

Trust: written and read by teammates with the permission for the activity log; a changed text is not opened.
"""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.kernel.ids import new_id
from misentinel.store.contracts import Store
from misentinel.trail.actions import record
from misentinel.trail.analysis.contracts import SavedView
from misentinel.trail.analysis.statements import LONGEST
from misentinel.trail.contracts import Tag
from misentinel.trail.models import SavedQuery
from misentinel.vault.queries import open_secret, seal_secret

MOST = 200
_LONGEST_NAME = 80


def list_saved(store: Store) -> list[SavedView]:
    return [_view(store, row) for row in SavedQuery.objects.using(store.alias).order_by("name")]


def get_saved(store: Store, saved_id: UUID) -> SavedView:
    """Raises `NotFound`."""
    row = SavedQuery.objects.using(store.alias).filter(id=saved_id).first()
    if row is None:
        raise NotFound("There is no such question.")
    return _view(store, row)


def save_question(store: Store, actor: Actor, name: str, sql: str) -> UUID:
    """Keeps a question. Raises `Conflict` for a name that is taken, `Invalid` for one that is none."""
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or "\0" in name + sql or not sql.strip() or len(sql) > LONGEST:
        raise Invalid(f"Give it a name of at most {_LONGEST_NAME} characters, and a question.")
    if SavedQuery.objects.using(store.alias).count() >= MOST:
        raise Conflict(f"{MOST} questions are saved. Remove one first.")
    saved_id = new_id()
    sealed = seal_secret("trail query", sql.encode(), _context(store, saved_id))
    try:
        with store.atomic():
            SavedQuery.objects.using(store.alias).create(id=saved_id, name=name, text=sealed, made_by=actor.id)
            record(store, actor, Tag.QUERY_SAVE, object_kind="query", object_id=saved_id, after={"name": name})
    except IntegrityError:
        raise Conflict("A question of this name is saved already. Choose another name.") from None
    return saved_id


def delete_saved(store: Store, actor: Actor, saved_id: UUID) -> None:
    """Raises `NotFound`."""
    with store.atomic():
        if not SavedQuery.objects.using(store.alias).filter(id=saved_id).delete()[0]:
            raise NotFound("There is no such question.")
        record(store, actor, Tag.QUERY_DELETE, object_kind="query", object_id=saved_id)


def _view(store: Store, row: SavedQuery) -> SavedView:
    text = open_secret("trail query", bytes(row.text), _context(store, row.id))
    return SavedView(row.id, row.name, text.decode(), row.at)


def _context(store: Store, saved_id: UUID) -> str:
    return f"{store.customer_id} {saved_id}"
