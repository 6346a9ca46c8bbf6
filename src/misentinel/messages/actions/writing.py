"""Writing messages: nothing is saved that could not be rendered or sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from misentinel.kernel import canonical
from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.kernel.ids import new_id
from misentinel.messages.contracts import Draft, Kind, MessageState, MessageView
from misentinel.messages.models import DeliveryRow, MessageRow
from misentinel.messages.queries.messages import SEALED_FIELDS, get_message, place_of
from misentinel.messages.rules.mime import Sender
from misentinel.messages.rules.templates import Content, check_content
from misentinel.segments.queries import content_key, get_segment
from misentinel.store.contracts import Store
from misentinel.trail.actions import record
from misentinel.trail.contracts import Tag

KIND = "message"
LONGEST_DELAY_SECONDS = 90 * 24 * 3600
LIVE = (
    "This message is live, so changing it changes what people get. That needs the permission “Set auto messages live”."
    " Ask somebody who holds it to pause the message first."
)
_EDITABLE = (MessageState.DRAFT, MessageState.LIVE, MessageState.PAUSED)


def create_message(store: Store, actor: Actor, kind: Kind, draft: Draft) -> MessageView:
    """Returns the new message, a draft. Raises `Invalid` with `field` (and `line`, `column` in a template)."""
    _check(store, kind, draft)
    row = MessageRow(id=new_id(), kind=kind.value, state=MessageState.DRAFT.value)
    with store.atomic():
        _fill(store, row, draft)
        row.save(using=store.alias, force_insert=True)
        record(store, actor, Tag.MESSAGE_CREATE, object_kind=KIND, object_id=row.id, after=_told(draft))
    return get_message(store, row.id)


def edit_message(store: Store, actor: Actor, message_id: UUID, draft: Draft, *, also_live: bool = False) -> MessageView:
    """Returns the message as changed; a live one changes for what is sent from now on.

    Raises `Refused` for a live one unless `also_live`, which is for who may send: changing what goes out is sending.
    Raises `Conflict` once a manual message is on its way.
    """
    with store.atomic():
        row = locked(store, message_id)
        if row.state not in _EDITABLE:
            raise Conflict("This message is on its way or was sent; it can no longer be changed.")
        if row.state == MessageState.LIVE and not also_live:
            raise Refused(LIVE)
        _check(store, Kind(row.kind), draft)
        before = get_message(store, message_id).draft
        _fill(store, row, draft)
        row.updated_at = now()
        row.save(using=store.alias)
        record(
            store, actor, Tag.MESSAGE_EDIT, object_kind=KIND, object_id=row.id,
            before=_told(before), after=_told(draft),
        )  # fmt: skip
    return get_message(store, message_id)


def delete_message(store: Store, actor: Actor, message_id: UUID) -> None:
    """Removes a message that nobody was ever meant to get. Raises `Conflict` for any other."""
    with store.atomic():
        row = locked(store, message_id)
        if row.state == MessageState.LIVE or DeliveryRow.objects.using(store.alias).filter(message_id=row.id).exists():
            raise Conflict("This message has recipients; its report is kept. Pause it instead.")
        before = get_message(store, message_id).draft
        row.delete(using=store.alias)
        record(store, actor, Tag.MESSAGE_DELETE, object_kind=KIND, object_id=message_id, before=_told(before))


def locked(store: Store, message_id: UUID) -> MessageRow:
    """Returns the row, locked until the caller's transaction ends. Raises `NotFound`."""
    row = MessageRow.objects.using(store.alias).select_for_update().filter(id=message_id).first()
    if row is None:
        raise NotFound("There is no such message.")
    return row


def _check(store: Store, kind: Kind, draft: Draft) -> None:
    if not 1 <= len(" ".join(draft.name.split())) <= 120:
        raise Invalid("A message's name has 1 to 120 characters.", field="name")
    check_content(Content(draft.subject, draft.html, draft.text))
    if draft.sender:
        Sender.parse(draft.sender)
    if draft.segment_id is not None:
        try:
            get_segment(store, draft.segment_id)
        except NotFound:
            raise Invalid("Choose a segment that exists.", field="segment_id") from None
    if kind is Kind.MANUAL:
        if draft.segment_id is None:
            raise Invalid("Choose whom this message goes to.", field="segment_id")
        if draft.trigger_event or draft.delay_seconds:
            raise Invalid("A manual message has no event and no delay.", field="trigger_event")
        return
    if not 1 <= len(draft.trigger_event.strip()) <= 255:
        raise Invalid("Name the event that sends this message.", field="trigger_event")
    if not 0 <= draft.delay_seconds <= LONGEST_DELAY_SECONDS:
        raise Invalid("The delay is between nothing and 90 days.", field="delay_seconds")


def _fill(store: Store, row: MessageRow, draft: Draft) -> None:
    content = {name: getattr(draft, name) for name in SEALED_FIELDS}
    row.name = " ".join(draft.name.split())
    row.sealed = content_key(store).seal(place_of(row.id), canonical.dumps(content))
    row.segment_id = draft.segment_id
    row.trigger_event = draft.trigger_event.strip()
    row.delay_seconds = draft.delay_seconds


def _told(draft: Draft) -> dict[str, Any]:
    return asdict(draft)
