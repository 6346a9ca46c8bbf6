"""Who saw one person's data: readers with how often, each with the entries, and those with their proofs.

It says nothing of whether there is such a person: an id that nobody looked at is one that nobody looked at.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.urls import reverse

from misentinel.customers.queries import get_customer
from misentinel.kernel.clock import now
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Reader, Tag
from misentinel.trail.queries import complete_since, list_readers
from misentinel.web.console.naming import Names
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_DAYS = timedelta(days=30)


class ReadersForm(forms.Form):
    """Both days belong to the range, and are days in the customer's time zone."""

    person = forms.UUIDField(label="Person", help_text="Our id of them. It stands on their profile and on each entry.")
    since = forms.DateField(label="From")
    until = forms.DateField(label="To")

    def __init__(self, data: dict[str, str], zone: ZoneInfo, *, bound: bool) -> None:
        super().__init__(data if bound else None, initial=data, auto_id="readers-%s", use_required_attribute=False)
        self.zone = zone
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name].help_text = f"The whole day, {zone.key.replace('_', ' ')}"

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        first, last = given.get("since"), given.get("until")
        if first and last and not date.min < first <= last < date.max - timedelta(days=1):
            self.add_error("until", "The range ends before it begins, or is no range that a calendar has.")
        return given

    def moments(self) -> tuple[datetime, datetime]:
        """The start of the first day, and of the day after the last."""
        first, last = self.cleaned_data["since"], self.cleaned_data["until"] + timedelta(days=1)
        return tuple(datetime.combine(day, time(), self.zone) for day in (first, last))  # type: ignore[return-value]


@routes.get("trail/readers", needs=Permission.TRAIL, tag=Tag.TRAIL_LIST, name="trail-readers")
def readers(gate: Gate) -> HttpResponse:
    zone = ZoneInfo(get_customer(gate.customer_id).time_zone)
    today = now().astimezone(zone).date()
    asked = {"since": str(today - _DAYS), "until": str(today)} | {k: str(v) for k, v in gate.request.GET.items() if v}
    form = ReadersForm(asked, zone, bound="person" in asked)
    if not form.is_valid():
        return render(gate, "console/trail/readers.html", {"form": form}, status=422 if form.is_bound else 200)
    person_id, (since, until) = form.cleaned_data["person"], form.moments()
    found = list_readers(gate.store, person_id, since=since, until=until)
    gate.looks_at(object_kind="person", object_id=person_id, count=len(found), view="readers")
    names, whole = Names(gate.customer_id), complete_since(gate.store)
    context = {
        "form": form,
        "person_id": person_id,
        "person_url": reverse("person", kwargs={"person_id": person_id}) if gate.may(Permission.USER_DATA) else "",
        "readers": [_row(reader, names, form) for reader in found],
        "looks": sum(reader.looks for reader in found),
        "whole_since": whole if whole and whole > since else None,
    }
    return render(gate, "console/trail/readers.html", context)


def _row(reader: Reader, names: Names, form: ReadersForm) -> dict[str, Any]:
    """The link leads to just the entries that were counted."""
    since, until = (f"{moment:%Y-%m-%dT%H:%M}" for moment in form.moments())
    who = f"{reader.actor_kind}:{reader.actor_id}".removesuffix(":")
    query = {"seen_person": form.cleaned_data["person"], "who": who, "since": since, "until": until}
    return {
        "who": names.who(reader.actor_kind, reader.actor_id),
        "actor_id": reader.actor_id,
        "looks": reader.looks,
        "first": reader.first,
        "last": reader.last,
        "url": f"{reverse('trail')}?{urlencode(query)}",
    }
