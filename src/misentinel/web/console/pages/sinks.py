"""Sinks of the customer's own trail, under settings: where it is shipped to, how far, and what was refused.

Whoever sets one shows the trail to its receiver, so that takes the permission for the trail as well. What is set here
reaches public addresses alone.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import Conflict, Invalid, Unavailable
from misentinel.store.queries import get_store
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.trail.queries import log_of
from misentinel.trail.shipping import actions, queries
from misentinel.trail.shipping.contracts import HOME, SinkKind, SinkView
from misentinel.trail.shipping.running import replay_dead_letters
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_NEEDS = Permission.SECURITY_SETTINGS
_REPLAYED_AT_ONCE = 20  # dead letters in one request
_KINDS = [
    (SinkKind.SYSLOG.value, "Syslog over TLS (RFC 5424)"),
    (SinkKind.LINES.value, "Lines with a token (Logentries, Rapid7 Insight)"),
    (SinkKind.OTLP.value, "OpenTelemetry logs (OTLP/HTTP)"),
    (SinkKind.NDJSON.value, "Signed NDJSON over HTTPS"),
]


class SinkForm(forms.Form):
    name = forms.CharField(max_length=60, help_text="Small letters, digits and hyphens, for example “siem”.")
    kind = forms.ChoiceField(choices=_KINDS)
    address = forms.CharField(
        max_length=2048, help_text="HOST:PORT for syslog and lines, a URL that begins with https:// for the others."
    )
    location = forms.CharField(
        min_length=2, max_length=2, label="Country",
        help_text=f"Its two letters; {HOME} is the UK. A receiver anywhere else gets no personal data.",
    )  # fmt: skip
    secret = forms.CharField(
        max_length=200, required=False, label="Token or key", widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Lines need the receiver's token, OTLP may have one. For NDJSON a key is made if this is empty.",
    )  # fmt: skip
    plain_end = forms.BooleanField(
        label="Take a plain end of the connection for an acknowledgement", required=False,
        help_text="For rsyslog with GnuTLS. Whoever is on the way could forge such an end.",
    )  # fmt: skip


class ReplayForm(forms.Form):
    first = forms.IntegerField(min_value=0, label="From index")


@routes.get("settings/sinks", needs=_NEEDS, tag=Tag.SINK_LIST, name="sinks")
def list_all(gate: Gate) -> HttpResponse:
    return _page(gate, SinkForm(initial={"location": HOME}))


@routes.post("settings/sinks", needs=_NEEDS, tag=Tag.SINK_ADD, name="sinks", fresh=True)
def add(gate: Gate) -> HttpResponse:
    """Answers with the key where one was made, which no later request can show."""
    form = SinkForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, form, status=422)
    gate.require(Permission.TRAIL)
    given = form.cleaned_data
    try:
        sink_id, made = actions.add_sink(
            gate.actor, log_of(get_store(gate.customer_id)), name=given["name"], kind=SinkKind(given["kind"]),
            address=given["address"], location=given["location"].upper(), secret=given["secret"],
            plain_end=given["plain_end"],
        )  # fmt: skip
    except (Invalid, Conflict) as error:
        form.add_error(None, error.message)
        return _page(gate, form, status=error.status)
    if made:
        return render(gate, "console/settings/sink_key.html", {"name": given["name"], "id": sink_id, "secret": made})
    flash.success(gate.request, "Added. It gets the trail from its beginning on.")
    return redirect("sink", sink_id=sink_id)


@routes.get("settings/sinks/<uuid:sink_id>", needs=_NEEDS, tag=Tag.DEAD_LETTER_LIST, name="sink")
def show(gate: Gate, sink_id: UUID) -> HttpResponse:
    return _one(gate, sink_id, None)


@routes.post("settings/sinks/<uuid:sink_id>/pause", needs=_NEEDS, tag=Tag.SINK_PAUSE, name="sink-pause", fresh=True)
def pause(gate: Gate, sink_id: UUID) -> HttpResponse:
    _find(gate, sink_id)
    actions.pause_sink(gate.actor, sink_id)
    flash.success(gate.request, "Paused. It goes on from there when you resume it.")
    return redirect("sink", sink_id=sink_id)


@routes.post("settings/sinks/<uuid:sink_id>/resume", needs=_NEEDS, tag=Tag.SINK_RESUME, name="sink-resume", fresh=True)
def resume(gate: Gate, sink_id: UUID) -> HttpResponse:
    _find(gate, sink_id)
    gate.require(Permission.TRAIL)
    actions.resume_sink(gate.actor, sink_id)
    flash.success(gate.request, "Shipped to again, from where it stopped.")
    return redirect("sink", sink_id=sink_id)


@routes.post("settings/sinks/<uuid:sink_id>/replay", needs=_NEEDS, tag=Tag.SINK_REPLAY, name="sink-replay", fresh=True)
def replay(gate: Gate, sink_id: UUID) -> HttpResponse:
    _find(gate, sink_id)
    form = ReplayForm(gate.request.POST)
    if not form.is_valid():
        return _one(gate, sink_id, form, status=422)
    gate.require(Permission.TRAIL)
    try:
        actions.replay_sink(gate.actor, sink_id, form.cleaned_data["first"])
    except Invalid as error:
        form.add_error(None, error.message)
        return _one(gate, sink_id, form, status=422)
    flash.success(gate.request, "It gets everything from that index on again.")
    return redirect("sink", sink_id=sink_id)


@routes.post(
    "settings/sinks/<uuid:sink_id>/dead-letters", needs=_NEEDS, tag=Tag.DEAD_LETTER_REPLAY, name="sink-dead-letters",
    fresh=True,
)  # fmt: skip
def send_again(gate: Gate, sink_id: UUID) -> HttpResponse:
    _find(gate, sink_id)
    gate.require(Permission.TRAIL)
    try:
        taken, left = replay_dead_letters(gate.actor, sink_id, most=_REPLAYED_AT_ONCE)
        flash.success(gate.request, f"{taken} taken, {left} left.")
    except (Conflict, Unavailable) as error:
        flash.error(gate.request, error.message)
    return redirect("sink", sink_id=sink_id)


@routes.post("settings/sinks/<uuid:sink_id>/remove", needs=_NEEDS, tag=Tag.SINK_REMOVE, name="sink-remove", fresh=True)
def remove(gate: Gate, sink_id: UUID) -> HttpResponse:
    sink = _find(gate, sink_id)
    actions.remove_sink(gate.actor, sink_id)
    flash.success(gate.request, f"{sink.name} is removed. What it got stays where it is.")
    return redirect("sinks")


def _find(gate: Gate, sink_id: UUID) -> SinkView:
    gate.looks_at(object_kind="sink", object_id=sink_id)
    return queries.get_sink_by_id(gate.customer_id, sink_id)


def _page(gate: Gate, form: SinkForm, *, status: int = 200) -> HttpResponse:
    found = queries.list_sinks(gate.customer_id)
    gate.looks_at(object_kind="sink", count=len(found))
    context = {"sinks": found, "form": form, "may_add": gate.may(Permission.TRAIL)}
    return render(gate, "console/settings/sinks.html", context, status=status)


def _one(gate: Gate, sink_id: UUID, form: ReplayForm | None, *, status: int = 200) -> HttpResponse:
    sink = _find(gate, sink_id)
    context = {
        "sink": sink, "letters": queries.list_dead_letters(sink_id), "may_send": gate.may(Permission.TRAIL),
        "form": form or ReplayForm(initial={"first": 0}),
    }  # fmt: skip
    return render(gate, "console/settings/sink.html", context, status=status)
