"""The customer's settings, and how this installation sends mail."""

from __future__ import annotations

import zoneinfo
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings as django_settings
from django.contrib import messages as flash
from django.http import HttpResponse
from django.urls import reverse

from misentinel.customers.actions import edit_customer
from misentinel.customers.queries import get_customer
from misentinel.kernel.errors import Invalid
from misentinel.kernel.settings import Settings
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate


class CustomerForm(forms.Form):
    """What a customer may say about itself."""

    name = forms.CharField(label="Name", max_length=120, help_text="Shown to your teammates.")
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=[(zone, zone.replace("_", " ")) for zone in sorted(zoneinfo.available_timezones()) if "/" in zone],
    )
    mail_from = forms.EmailField(
        label="Sender of messages",
        required=False,
        help_text="The From address of what you send. Leave empty for the installation's own.",
    )


@routes.get("settings", needs=Permission.APP_SETTINGS, tag=Tag.SETTINGS_VIEW, name="settings")
def show_settings(gate: Gate) -> HttpResponse:
    customer = get_customer(gate.customer_id)
    form = CustomerForm(
        initial={"name": customer.name, "time_zone": customer.time_zone, "mail_from": customer.mail_from}
    )
    return _page(gate, form)


@routes.post("settings", needs=Permission.APP_SETTINGS, tag=Tag.SETTINGS_EDIT, name="settings")
def save_settings(gate: Gate) -> HttpResponse:
    form = CustomerForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, form, status=422)
    try:
        edit_customer(gate.actor, gate.customer_id, **form.cleaned_data)
    except Invalid as error:
        form.add_error(None, error.message)
        return _page(gate, form, status=422)
    flash.success(gate.request, "Saved.")
    return redirect("settings")


def _page(gate: Gate, form: CustomerForm, *, status: int = 200) -> HttpResponse:
    installation: Settings = django_settings.MISENTINEL
    context: dict[str, Any] = {
        "form": form,
        "customer": get_customer(gate.customer_id),
        "mail": {
            "server": mail_server(installation),
            "sender": installation.mail_from,
            "signed": bool(installation.dkim_key_file),
            "selector": installation.dkim_selector,
        },
        "keys_url": reverse("keys"),
    }
    return render(gate, "console/settings/page.html", context, status=status)


def mail_server(installation: Settings) -> str:
    """Returns host and port of the mail server, never its user or password; empty where there is none."""
    if not installation.smtp_url:
        return ""
    parts = urlsplit(installation.smtp_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
