"""Writing messages. Each kind has routes of its own, because each has a permission of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages as flash
from django.http import HttpResponse
from django.urls import reverse

from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.kernel.ids import parse_id
from misentinel.messages.actions.writing import LIVE, create_message, delete_message, edit_message
from misentinel.messages.contracts import Kind, MessageState, MessageView
from misentinel.messages.queries.messages import get_message
from misentinel.messages.queries.messages import preview as preview_content
from misentinel.people.queries import list_people
from misentinel.segments.queries import list_segments
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.pages.messages.forms import AutoForm, DraftForm, initial, placed
from misentinel.web.console.pages.messages.reading import SEND
from misentinel.web.console.policy import problem, sandboxed, with_subject
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.console.showing import person_row
from misentinel.web.gate import Gate

_PREVIEWED_AS = 20


def _register(kind: Kind, needs: Permission) -> None:
    """The same routes for each kind, under its own permission."""
    base, id_name = f"messages/{kind}", f"{kind}_id"
    one = f"{base}/<uuid:{id_name}>"

    @routes.get(f"{base}/new", needs=needs, tag=Tag.MESSAGE_VIEW, name=f"message-new-{kind}")
    def new(gate: Gate) -> HttpResponse:
        return _editor(gate, kind, None, _form(gate, kind))

    @routes.post(f"{base}/new", needs=needs, tag=Tag.MESSAGE_CREATE, name=f"message-new-{kind}")
    def make(gate: Gate) -> HttpResponse:
        return _save(gate, kind, None)

    @routes.get(f"{one}/edit", needs=needs, tag=Tag.MESSAGE_VIEW, name=f"message-edit-{kind}")
    def edit(gate: Gate, **ids: UUID) -> HttpResponse:
        return _open(gate, _of_kind(gate, kind, ids[id_name]))

    @routes.post(f"{one}/edit", needs=needs, tag=Tag.MESSAGE_EDIT, name=f"message-edit-{kind}")
    def change(gate: Gate, **ids: UUID) -> HttpResponse:
        return _save(gate, kind, _of_kind(gate, kind, ids[id_name]))

    @routes.post(f"{one}/delete", needs=needs, tag=Tag.MESSAGE_DELETE, name=f"message-delete-{kind}")
    def delete(gate: Gate, **ids: UUID) -> HttpResponse:
        return _delete(gate, _of_kind(gate, kind, ids[id_name]))

    @routes.post(f"{base}/preview", needs=needs, tag=Tag.MESSAGE_PREVIEW, name=f"message-preview-{kind}")
    def preview(gate: Gate) -> HttpResponse:
        return _preview(gate, kind)


_register(Kind.MANUAL, Permission.MANUAL_MESSAGES_EDIT)
_register(Kind.AUTO, Permission.AUTO_MESSAGES_EDIT)


def _open(gate: Gate, message: MessageView) -> HttpResponse:
    if message.state is MessageState.LIVE and not gate.may(SEND[message.kind]):
        raise Refused(LIVE)
    return _editor(gate, message.kind, message, _form(gate, message.kind, initial=initial(message.draft)))


def _save(gate: Gate, kind: Kind, message: MessageView | None) -> HttpResponse:
    form = _form(gate, kind, gate.request.POST)
    if not form.is_valid():
        return _editor(gate, kind, message, form, status=422)
    try:
        if message is None:
            saved = create_message(gate.store, gate.actor, kind, form.draft())
        else:
            also_live = gate.may(SEND[kind])
            saved = edit_message(gate.store, gate.actor, message.id, form.draft(), also_live=also_live)
    except (Invalid, Conflict) as error:
        form.tell(error)
        return _editor(gate, kind, message, form, status=error.status)
    flash.success(gate.request, "Saved.")
    return redirect("message", message_id=saved.id)


def _delete(gate: Gate, message: MessageView) -> HttpResponse:
    delete_message(gate.store, gate.actor, message.id)
    flash.success(gate.request, f"“{message.draft.name}” is deleted.")
    return redirect("messages")


def _preview(gate: Gate, kind: Kind) -> HttpResponse:
    """What is in the editor now, as the chosen person would get it. A mistake is told where the message would be."""
    person_id = parse_id(gate.request.POST.get("preview_as", ""))
    if person_id is not None and not gate.may(Permission.USER_DATA):
        raise Refused("Seeing a message as a person needs the permission “User data”.")
    gate.looks_at(object_kind="message", person_id=person_id)
    try:
        rendered = preview_content(gate.store, _form(gate, kind, gate.request.POST).content(), person_id)
    except Invalid as error:
        return sandboxed(problem(placed(error)))
    return sandboxed(with_subject(rendered.html, rendered.subject))


def _of_kind(gate: Gate, kind: Kind, message_id: UUID) -> MessageView:
    """Returns the message if it is of this kind: the permission for one kind opens nothing of the other."""
    gate.looks_at(object_kind="message", object_id=message_id)
    message = get_message(gate.store, message_id)
    if message.kind is not kind:
        raise NotFound("There is no such message.")
    return message


def _form(gate: Gate, kind: Kind, *arguments: Any, **options: Any) -> DraftForm:
    return (AutoForm if kind is Kind.AUTO else DraftForm)(list_segments(gate.store), *arguments, **options)


def _editor(gate: Gate, kind: Kind, message: MessageView | None, form: DraftForm, *, status: int = 200) -> HttpResponse:
    sees_people = gate.may(Permission.USER_DATA)
    people = list_people(gate.store, limit=_PREVIEWED_AS).people if sees_people else []
    shown = sorted(str(person.id) for person in people)
    gate.looks_at(object_kind="message", object_id=message.id if message else "", shown=shown)
    context: dict[str, Any] = {
        "kind": kind.value,
        "heading": message.draft.name if message else f"New {kind.value} message",
        "form": form,
        "people": [person_row(person) for person in people],
        "action": gate.request.path,
        "preview_url": reverse(f"message-preview-{kind}"),
        "save_label": "Save draft" if message is None or message.state is MessageState.DRAFT else "Save",
        "back_url": _back(kind, message),
        "back_label": message.draft.name if message else "Messages",
    }
    return render(gate, "console/messages/editor.html", context, status=status)


def _back(kind: Kind, message: MessageView | None) -> str:
    if message is not None:
        return reverse("message", kwargs={"message_id": message.id})
    return f"{reverse('messages')}?kind={kind.value}"
