"""Segments: the list, the editor with its rows, and who a rule means at this moment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse
from django.urls import reverse

from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.people.queries import list_attributes, list_people, open_many
from misentinel.segments import queries
from misentinel.segments.actions import create_segment, delete_segment, edit_segment
from misentinel.segments.contracts import SegmentView
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console import rule_rows
from misentinel.web.console.rendering import fragment, redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.console.rule_rows import Row, RuleForm
from misentinel.web.console.showing import flat, person_row
from misentinel.web.gate import Gate

_SAMPLE = 8
_SUGGESTED_FROM = 20
_NEEDS = Permission.USER_DATA


class NameForm(forms.Form):
    name = forms.CharField(label="Name", max_length=120, widget=forms.TextInput({"autocomplete": "off"}))


@routes.get("segments", needs=_NEEDS, tag=Tag.SEGMENT_LIST, name="segments")
def segments(gate: Gate) -> HttpResponse:
    found = queries.list_segments(gate.store)
    gate.looks_at(object_kind="segment", count=len(found))
    rows = [
        {
            "id": segment.id,
            "name": segment.name,
            "builtin": segment.builtin,
            "told": rule_rows.told(segment.rule),
            "count": queries.count(gate.store, segment.rule),
            "changed_at": None if segment.builtin else segment.updated_at,
        }
        for segment in found
    ]
    own = any(not segment.builtin for segment in found)
    return render(gate, "console/segments/list.html", {"segments": rows, "own": own})


@routes.get("segments/new", needs=_NEEDS, tag=Tag.SEGMENT_VIEW, name="segment-new")
def new_segment(gate: Gate) -> HttpResponse:
    return _editor(gate, None, NameForm(), RuleForm(rows=[Row(rule_rows.ATTRIBUTE)]))


@routes.post("segments/new", needs=_NEEDS, tag=Tag.SEGMENT_CREATE, name="segment-new")
def make_segment(gate: Gate) -> HttpResponse:
    return _save(gate, None)


@routes.get("segments/<uuid:segment_id>", needs=_NEEDS, tag=Tag.SEGMENT_VIEW, name="segment")
def show_segment(gate: Gate, segment_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="segment", object_id=segment_id)
    segment = _own(gate, segment_id)
    return _editor(gate, segment, NameForm(initial={"name": segment.name}), rule_rows.from_rule(segment.rule))


@routes.post("segments/<uuid:segment_id>", needs=_NEEDS, tag=Tag.SEGMENT_EDIT, name="segment")
def change_segment(gate: Gate, segment_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="segment", object_id=segment_id)
    return _save(gate, _own(gate, segment_id))


@routes.post("segments/<uuid:segment_id>/delete", needs=_NEEDS, tag=Tag.SEGMENT_DELETE, name="segment-delete")
def remove_segment(gate: Gate, segment_id: UUID) -> HttpResponse:
    gate.looks_at(object_kind="segment", object_id=segment_id)
    segment = _own(gate, segment_id)
    delete_segment(gate.store, gate.actor, segment_id)
    flash.success(gate.request, f"“{segment.name}” is deleted.")
    return redirect("segments")


@routes.get("segments/rows/<str:kind>", needs=_NEEDS, tag=Tag.PAGE_VIEW, name="segment-row")
def fresh_row(gate: Gate, kind: str) -> HttpResponse:
    """An empty row for the editor."""
    if kind not in (rule_rows.ATTRIBUTE, rule_rows.EVENT):
        raise NotFound("There is no such row.")
    return fragment(gate, "console/segments/row.html", {"row": Row(kind), "fresh": True})


@routes.post("segments/preview", needs=_NEEDS, tag=Tag.SEGMENT_PREVIEW, name="segment-preview")
def preview(gate: Gate) -> HttpResponse:
    """Who the rule in the editor means now. The answer is shown beside the form, a mistake as well."""
    try:
        rule = rule_rows.to_rule(rule_rows.from_post(gate.request.POST))
        count = queries.count(gate.store, rule)
        chosen = open_many(gate.store, queries.sample(gate.store, rule, _SAMPLE))
    except Invalid as error:
        return fragment(gate, "console/segments/preview.html", {"error": _plain(error)})
    gate.looks_at(object_kind="person", count=len(chosen), shown=sorted(map(str, chosen)))
    sample = [person_row(person) for person in chosen.values()]
    return fragment(gate, "console/segments/preview.html", {"count": count, "sample": sample})


def _own(gate: Gate, segment_id: UUID) -> SegmentView:
    """Returns a segment that can be edited."""
    segment = queries.get_segment(gate.store, segment_id)
    if segment.builtin:
        raise NotFound("Everyone is not made of rules.")
    return segment


def _save(gate: Gate, segment: SegmentView | None) -> HttpResponse:
    form, rule_form = NameForm(gate.request.POST), rule_rows.from_post(gate.request.POST)
    if not form.is_valid():
        return _editor(gate, segment, form, rule_form, status=422)
    name = form.cleaned_data["name"]
    try:
        rule = rule_rows.to_rule(rule_form)
        if segment is None:
            create_segment(gate.store, gate.actor, name, rule)
        else:
            edit_segment(gate.store, gate.actor, segment.id, name=name, rule=rule)
    except (Invalid, Conflict) as error:
        at_name = error.details.get("field") == "name"
        form.add_error("name" if at_name else None, error.message if at_name else _plain(error))
        marked = rule_rows.marked(rule_form, error) if isinstance(error, Invalid) else rule_form
        return _editor(gate, segment, form, marked, status=422)
    flash.success(gate.request, f"“{name}” is saved.")
    return redirect("segments")


def _plain(error: Invalid | Conflict) -> str:
    """Returns an error without its JSON pointer, for people who see rows."""
    path = str(error.details.get("path", ""))
    parts = path.split("/")
    place = f"Rule {int(parts[2]) + 1}: " if len(parts) > 2 and parts[2].isdigit() else ""
    return place + error.message.removeprefix(f"The rule at {path or '/'}: ")


def _editor(
    gate: Gate, segment: SegmentView | None, form: NameForm, rule: RuleForm, *, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "segment": segment,
        "heading": segment.name if segment else "New segment",
        "action": reverse("segment", kwargs={"segment_id": segment.id}) if segment else reverse("segment-new"),
        "form": form,
        "rule": rule,
        "attributes": _attribute_names(gate),
    }
    return render(gate, "console/segments/editor.html", context, status=status)


def _attribute_names(gate: Gate) -> list[str]:
    """Names to suggest: the declared ones, and those that the newest people have. Names only, no values."""
    names = {attribute.name for attribute in list_attributes(gate.store)}
    for person in list_people(gate.store, limit=_SUGGESTED_FROM).people:
        names |= {name for name, _ in flat(person.traits)}
    return sorted(names)
