"""The customer's security settings: how long sessions last."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import Invalid
from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import Lasting, Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_sessions import in_words
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate

_NEEDS = Permission.SECURITY_SETTINGS
_IDLE = (15, 30, 60, 120, 240, 480, 720)
_ABSOLUTE = (480, 720, 1440, 2880, 4320, 10080)


class LimitsForm(forms.Form):
    idle = forms.TypedChoiceField(
        label="A session ends without use after", coerce=int, choices=[(each, in_words(each)) for each in _IDLE]
    )
    absolute = forms.TypedChoiceField(
        label="and in any case after", coerce=int, choices=[(each, in_words(each)) for each in _ABSOLUTE],
        help_text="It holds from the next request on, for sessions that are open too.",
    )  # fmt: skip


@routes.get("settings/security", needs=_NEEDS, tag=Tag.SETTINGS_VIEW, name="security")
def show_security(gate: Gate) -> HttpResponse:
    lasting = queries.get_limits(gate.customer_id)
    initial = {"idle": _minutes(lasting.idle), "absolute": _minutes(lasting.absolute)}
    return render(gate, "console/settings/security.html", {"form": LimitsForm(initial=initial)})


@routes.post("settings/security", needs=_NEEDS, tag=Tag.SETTINGS_EDIT, name="security", fresh=True)
def save_security(gate: Gate) -> HttpResponse:
    form = LimitsForm(gate.request.POST)
    if form.is_valid():
        idle, absolute = (timedelta(minutes=form.cleaned_data[name]) for name in ("idle", "absolute"))
        try:
            actions.set_session_limits(gate.actor, gate.customer_id, Lasting(idle, absolute))
        except Invalid as error:
            form.add_error(None, error.message)
    if not form.is_valid():
        return render(gate, "console/settings/security.html", {"form": form}, status=422)
    flash.success(gate.request, "Saved.")
    return redirect("security")


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
