"""Making, changing and deleting segments; each leaves its entry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from misentinel.kernel import canonical
from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.kernel.ids import new_id
from misentinel.segments import rules
from misentinel.segments.contracts import SegmentView
from misentinel.segments.models import SegmentRow
from misentinel.segments.queries import EVERYONE_ID, EVERYONE_NAME, content_key, get_segment, place_of
from misentinel.store.contracts import Store
from misentinel.trail.actions import record
from misentinel.trail.contracts import Tag

KIND = "segment"


def create_segment(store: Store, actor: Actor, name: str, rule: dict[str, Any]) -> SegmentView:
    """Returns the new segment. Raises `Invalid` for a bad rule, `Conflict` for a name that is taken."""
    rules.parse(rule)
    segment_id = new_id()
    with store.atomic():
        clean = _free_name(store, name, segment_id)
        SegmentRow(id=segment_id, name=clean, sealed=_seal(store, segment_id, rule)).save(
            using=store.alias, force_insert=True
        )
        after = {"name": clean, "rule": rule}
        record(store, actor, Tag.SEGMENT_CREATE, object_kind=KIND, object_id=segment_id, after=after)
    return get_segment(store, segment_id)


def edit_segment(store: Store, actor: Actor, segment_id: UUID, *, name: str, rule: dict[str, Any]) -> SegmentView:
    """Returns the segment as changed. Raises `Invalid`, `Conflict` or `NotFound`."""
    rules.parse(rule)
    with store.atomic():
        row = _locked(store, segment_id)
        before = get_segment(store, segment_id)
        row.name, row.sealed, row.updated_at = _free_name(store, name, segment_id), _seal(store, row.id, rule), now()
        row.save(using=store.alias)
        record(
            store, actor, Tag.SEGMENT_EDIT, object_kind=KIND, object_id=segment_id,
            before={"name": before.name, "rule": before.rule}, after={"name": row.name, "rule": rule},
        )  # fmt: skip
    return get_segment(store, segment_id)


def delete_segment(store: Store, actor: Actor, segment_id: UUID) -> None:
    """Removes the segment. Messages already sent to it keep their recipients. Raises `NotFound`."""
    with store.atomic():
        row = _locked(store, segment_id)
        before = get_segment(store, segment_id)
        row.delete(using=store.alias)
        record(
            store, actor, Tag.SEGMENT_DELETE, object_kind=KIND, object_id=segment_id,
            before={"name": before.name, "rule": before.rule},
        )  # fmt: skip


def _locked(store: Store, segment_id: UUID) -> SegmentRow:
    if segment_id == EVERYONE_ID:
        raise Conflict(f"{EVERYONE_NAME} is always everyone and cannot be changed.")
    row = SegmentRow.objects.using(store.alias).select_for_update().filter(id=segment_id).first()
    if row is None:
        raise NotFound("There is no such segment.")
    return row


def _free_name(store: Store, name: str, segment_id: UUID) -> str:
    clean = " ".join(name.split())
    if not 1 <= len(clean) <= 120:
        raise Invalid("A segment's name has 1 to 120 characters.", field="name")
    taken = SegmentRow.objects.using(store.alias).filter(name__iexact=clean).exclude(id=segment_id)
    if clean.casefold() == EVERYONE_NAME.casefold() or taken.exists():
        raise Conflict(f"There is a segment called {clean!r} already.", field="name")
    return clean


def _seal(store: Store, segment_id: UUID, rule: dict[str, Any]) -> bytes:
    return content_key(store).seal(place_of(segment_id), canonical.dumps(rule))
