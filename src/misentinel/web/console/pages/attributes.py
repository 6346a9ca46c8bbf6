"""Which attributes of people are not personal, so that their text may be kept in clear."""

from __future__ import annotations

from django import forms
from django.contrib import messages as flash
from django.http import HttpResponse

from misentinel.kernel.errors import Invalid
from misentinel.people.actions import declare_attribute
from misentinel.people.queries import list_attributes
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.rendering import redirect, render
from misentinel.web.console.routes import routes
from misentinel.web.gate import Gate


class AttributeForm(forms.Form):
    """A name, and what the customer declares about it."""

    name = forms.CharField(label="Attribute", max_length=120, widget=forms.TextInput({"autocomplete": "off"}))
    personal = forms.ChoiceField(
        label="It is", choices=[("no", "Not personal: kept in clear"), ("yes", "Personal: sealed")]
    )


@routes.get("settings/attributes", needs=Permission.APP_SETTINGS, tag=Tag.ATTRIBUTE_LIST, name="attributes")
def attributes(gate: Gate) -> HttpResponse:
    return _page(gate, AttributeForm())


@routes.post(
    "settings/attributes", needs=Permission.APP_SETTINGS, tag=Tag.ATTRIBUTE_DECLARE, name="attributes", fresh=True
)
def declare(gate: Gate) -> HttpResponse:
    form = AttributeForm(gate.request.POST)
    if not form.is_valid():
        return _page(gate, form, status=422)
    name, personal = form.cleaned_data["name"].strip(), form.cleaned_data["personal"] == "yes"
    try:
        declare_attribute(gate.store, gate.actor, name, personal=personal)
    except Invalid as error:
        form.add_error("name", error.message)
        return _page(gate, form, status=422)
    flash.success(gate.request, f"“{name}” is {'personal' if personal else 'not personal'} from now on.")
    return redirect("attributes")


def _page(gate: Gate, form: AttributeForm, *, status: int = 200) -> HttpResponse:
    declared = list_attributes(gate.store)
    return render(gate, "console/settings/attributes.html", {"form": form, "declared": declared}, status=status)
