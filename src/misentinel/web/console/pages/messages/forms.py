"""What an author fills in, for each kind of message, and how it becomes a draft."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django import forms

from misentinel.kernel.errors import MiSentinelError
from misentinel.messages.contracts import Draft
from misentinel.messages.rules.templates import Content
from misentinel.segments.contracts import SegmentView

UNITS = (("1", "seconds"), ("60", "minutes"), ("3600", "hours"), ("86400", "days"))
_CODE = {"spellcheck": "true", "rows": "14", "class": "template"}


class DraftForm(forms.Form):
    """The fields that both kinds have, after those of their own."""

    name = forms.CharField(
        label="Name", max_length=120, help_text="For your teammates; people never see it.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )  # fmt: skip
    segment_id = forms.TypedChoiceField(label="To")
    subject = forms.CharField(label="Subject", max_length=1000, widget=forms.TextInput({"autocomplete": "off"}))
    text = forms.CharField(label="Message", required=False, widget=forms.Textarea(_CODE))
    html = forms.CharField(
        label="HTML version", required=False, widget=forms.Textarea({**_CODE, "spellcheck": "false", "rows": "8"}),
        help_text="Optional. Left empty, it is made from the message above.",
    )  # fmt: skip
    sender = forms.CharField(
        label="From", max_length=320, required=False, help_text="Left empty, the sender in your settings."
    )

    def __init__(self, segments: Iterable[SegmentView], *arguments: Any, **options: Any) -> None:
        options.setdefault("auto_id", "message-%s")
        super().__init__(*arguments, **options)
        choices = [(str(segment.id), segment.name) for segment in segments]
        self.fields["segment_id"].choices = choices  # type: ignore[attr-defined]

    def draft(self) -> Draft:
        given = self.cleaned_data
        return Draft(
            name=given["name"], subject=given["subject"], html=given["html"], text=given["text"],
            sender=given["sender"], segment_id=UUID(given["segment_id"]) if given["segment_id"] else None,
        )  # fmt: skip

    def content(self) -> Content:
        """What is written at this moment, also while the rest is missing."""
        return Content(*(str(self.data.get(name, "")) for name in ("subject", "html", "text")))

    def tell(self, error: MiSentinelError) -> None:
        """Puts an error at its field, with line and column where the template is mistaken."""
        named = str(error.details.get("field", "")).removesuffix("_seconds")
        if named == "html" and not str(self.data.get("html", "")).strip():
            named = "text"  # the HTML was made from the text, line by line
        self.add_error(named if named in self.fields else None, placed(error))


class AutoForm(DraftForm):
    """An auto message follows an event, some time later."""

    trigger_event = forms.CharField(
        label="When this event happens", max_length=255, widget=forms.TextInput({"autocomplete": "off"}),
        help_text="The name as your website or app sends it, for example Signed Up.",
    )  # fmt: skip
    delay = forms.IntegerField(label="Wait", min_value=0, max_value=10_000_000, initial=0)
    unit = forms.ChoiceField(label="Unit", choices=UNITS, initial="60")
    field_order = ("name", "trigger_event", "delay", "unit", "segment_id", "subject", "text", "html", "sender")

    def __init__(self, segments: Iterable[SegmentView], *arguments: Any, **options: Any) -> None:
        super().__init__(segments, *arguments, **options)
        segment = self.fields["segment_id"]
        segment.label, segment.required = "Only to people in", False
        segment.choices = [  # type: ignore[attr-defined]
            ("", "Everyone it happens to"), *segment.choices  # type: ignore[attr-defined]
        ]  # fmt: skip

    def draft(self) -> Draft:
        seconds = self.cleaned_data["delay"] * int(self.cleaned_data["unit"])
        return replace(super().draft(), trigger_event=self.cleaned_data["trigger_event"], delay_seconds=seconds)


def initial(draft: Draft) -> dict[str, Any]:
    """Returns the values of a form that shows `draft`."""
    unit = next((u for u, _ in reversed(UNITS) if draft.delay_seconds and draft.delay_seconds % int(u) == 0), "60")
    return {
        "name": draft.name, "subject": draft.subject, "html": draft.html, "text": draft.text, "sender": draft.sender,
        "segment_id": str(draft.segment_id or ""), "trigger_event": draft.trigger_event,
        "delay": draft.delay_seconds // int(unit), "unit": unit,
    }  # fmt: skip


def placed(error: MiSentinelError) -> str:
    """Returns what is wrong with where it is, if the error knows and does not say so itself."""
    line, column = error.details.get("line"), error.details.get("column")
    if not line or f"line {line}" in error.message.lower():
        return error.message
    return f"Line {line}, column {column}: {error.message}" if column else f"Line {line}: {error.message}"
