"""Messages as their authors see them, and as one person would."""

from __future__ import annotations

from uuid import UUID

from misentinel.kernel import canonical
from misentinel.kernel.errors import NotFound
from misentinel.messages.contracts import Draft, Kind, MessageState, MessageView
from misentinel.messages.models import MessageRow
from misentinel.messages.rules.templates import Content, Rendered, check_content, context_for
from misentinel.people.queries import get_person
from misentinel.segments.queries import content_key
from misentinel.store.contracts import Store
from misentinel.vault.contracts import PersonKey, Place

SEALED_FIELDS = ("subject", "html", "text", "sender")
_PREVIEW_LINK = "https://example.com/u/the-person-s-own-link"


def list_messages(store: Store, kind: Kind | None = None) -> list[MessageView]:
    """Every message, the latest made first."""
    rows = MessageRow.objects.using(store.alias).order_by("-id")
    key = content_key(store)
    return [_view(row, key) for row in (rows.filter(kind=kind.value) if kind else rows)]


def get_message(store: Store, message_id: UUID) -> MessageView:
    """Returns the message. Raises `NotFound`."""
    row = MessageRow.objects.using(store.alias).filter(id=message_id).first()
    if row is None:
        raise NotFound("There is no such message.")
    return _view(row, content_key(store))


def preview(store: Store, content: Content, person_id: UUID | None = None) -> Rendered:
    """Returns `content`, saved or not, as this person gets it, or somebody unknown. Raises `Invalid`, `NotFound`."""
    compiled = check_content(content)
    if person_id is None:
        return compiled.render(context_for("", {}, None, _PREVIEW_LINK))
    person = get_person(store, person_id)
    return compiled.render(context_for(str(person.id), person.traits, None, _PREVIEW_LINK))


def content_of(message: MessageView) -> Content:
    return Content(message.draft.subject, message.draft.html, message.draft.text)


def place_of(message_id: UUID) -> Place:
    return Place("messages_message", "sealed", message_id)


def _view(row: MessageRow, key: PersonKey) -> MessageView:
    content = canonical.loads(key.open(place_of(row.id), bytes(row.sealed)))
    draft = Draft(
        name=row.name, segment_id=row.segment_id, trigger_event=row.trigger_event,
        delay_seconds=row.delay_seconds, **{name: content[name] for name in SEALED_FIELDS},
    )  # fmt: skip
    return MessageView(
        row.id, Kind(row.kind), MessageState(row.state), draft, row.created_at, row.updated_at, row.started_at
    )
