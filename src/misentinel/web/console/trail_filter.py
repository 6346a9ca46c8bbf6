"""What of a trail is wanted: the form above every list of entries, and the pages that it leads through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from misentinel.kernel.actor import ActorKind
from misentinel.kernel.ids import parse_id
from misentinel.trail.contracts import EntryFilter, Outcome, Page, Tag
from misentinel.web.console.naming import KINDS

PAGE = 50
_ALWAYS_SHOWN = {"tag", "who", "outcome", "customer"}


def _noun(tag: str) -> str:
    return tag.partition(":")[0]


def _tags() -> list[tuple[str, Any]]:
    """Every tag, grouped by its noun; the first of a group stands for all of it."""
    groups = [
        (noun.replace("_", " ").capitalize(), [(f"{noun}:", f"{noun}: anything"), *((t.value, t.value) for t in tags)])
        for noun, tags in groupby(sorted(Tag), key=_noun)
    ]
    return [("", "Anything"), *groups]


def _unnamed(who: str, known: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Somebody who acted and is on no list, such as a key that a link names."""
    kind, _, actor_id = who.partition(":")
    if kind not in KINDS or not actor_id or any(who == value for value, _ in known):
        return []
    return [(who, f"{KINDS[ActorKind(kind)]} …{actor_id[-6:]}")]


class FilterForm(forms.Form):
    """Times are typed and shown in `zone`. `actors` are those who can be chosen by name, all of one kind."""

    tag = forms.ChoiceField(label="What", required=False, choices=_tags())
    who = forms.ChoiceField(label="Who", required=False)
    outcome = forms.ChoiceField(
        label="Outcome",
        required=False,
        choices=[("", "Any"), *((o.value, o.value.capitalize()) for o in Outcome)],
    )
    since = forms.DateTimeField(label="From", required=False)
    until = forms.DateTimeField(label="Until", required=False)
    person = forms.UUIDField(label="Person", required=False)
    seen_person = forms.UUIDField(label="Looks at the person", required=False)
    object = forms.CharField(label="Object id", required=False, max_length=64)
    request_id = forms.CharField(label="Request id", required=False, max_length=64)
    access = forms.UUIDField(label="Operator's access", required=False)

    def __init__(
        self, actors: Mapping[str, str], zone: str, data: QueryDict, kind: ActorKind = ActorKind.TEAMMATE
    ) -> None:
        super().__init__(data, auto_id="filter-%s", use_required_attribute=False)
        self.zone = ZoneInfo(zone)
        named = sorted(actors.items(), key=lambda item: item[1])
        kinds = [(each.value, told) for each, told in KINDS.items()]
        by_name = [(f"{kind}:{actor_id}", name) for actor_id, name in named]
        known = [("", "Anybody"), *by_name, *kinds]
        self.fields["who"].choices = [*known, *_unnamed(data.get("who", ""), known)]  # type: ignore[attr-defined]
        for name in ("since", "until"):
            self.fields[name].help_text = zone.replace("_", " ")
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        for name in {"person", "seen_person"} & self.fields.keys():
            self.fields[name].widget.attrs["placeholder"] = "Person id"
        self.asked = {name: str(value) for name, value in data.items() if value and name != "after"}

    def is_valid(self) -> bool:
        with timezone.override(self.zone):  # in which what was typed is read
            return super().is_valid()

    def wanted(self) -> EntryFilter:
        given = self.cleaned_data
        kind, _, actor_id = given["who"].partition(":")
        return EntryFilter(
            tag=given["tag"],
            outcome=given["outcome"],
            actor_kind=kind,
            actor_id=actor_id,
            object_id=given["object"],
            person_id=given.get("person"),
            seen_person=given.get("seen_person"),
            request_id=given["request_id"],
            customer_id=parse_id(given.get("customer", "")),
            access=str(given["access"] or ""),
            since=given["since"],
            until=given["until"],
        )


def found_by(form: FilterForm, path: str, list_page: Callable[..., Page]) -> tuple[Page, dict[str, Any]]:
    """Returns the page of `list_page` that was asked for, with what a list's template needs besides its entries."""
    after = parse_id(form.data.get("after", ""))
    page = list_page(form.wanted(), after=after, limit=PAGE)
    return page, {
        "form": form,
        "filtered": bool(form.asked),
        "more_open": bool(form.asked.keys() - _ALWAYS_SHOWN),
        "page": {
            "first_url": f"{path}?{urlencode(form.asked)}" if after else "",
            "next_url": f"{path}?{urlencode({**form.asked, 'after': str(page.next)})}" if page.next else "",
        },
    }


def exports(asked: Mapping[str, str]) -> list[tuple[str, str]]:
    """Where what was asked for is had as a file, with the name of its format."""
    return [
        (label, f"{reverse('trail-export')}?{urlencode({**asked, 'format': name})}")
        for name, label in (("csv", "CSV"), ("ndjson", "NDJSON"))
    ]
