"""The platform log, for the operator's own staff: what was done to the installation, and to customers from outside.

Nothing here opens a store: a customer's own trail stays behind the access that the customer gives.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse, QueryDict

from misentinel.customers.contracts import Customer
from misentinel.customers.queries import find_customer
from misentinel.kernel.actor import ActorKind
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries import list_operators
from misentinel.trail.contracts import EntryView, Tag
from misentinel.trail.queries import list_platform_entries
from misentinel.web.console.naming import KINDS
from misentinel.web.console.rendering import render
from misentinel.web.console.routes import routes
from misentinel.web.console.trail_filter import FilterForm, found_by
from misentinel.web.gate import Gate


class PlatformFilterForm(FilterForm):
    """No people: the platform log names none."""

    person = seen_person = None  # type: ignore[assignment]
    customer = forms.CharField(label="Customer", required=False, max_length=64)

    def __init__(self, operators: dict[str, str], data: QueryDict) -> None:
        super().__init__(operators, "UTC", data, ActorKind.OPERATOR)
        self.fields["customer"].widget.attrs["placeholder"] = "Short name or id"

    def clean_customer(self) -> str:
        """Returns the customer's id, closed customers' too."""
        named = self.cleaned_data["customer"]
        found = find_customer(named) if named else None
        if named and found is None:
            raise forms.ValidationError("There is no such customer. The page Operator shows their short names.")
        return str(found.id) if found else ""


@routes.get("operator/log", needs=Permission.OPERATE, tag=Tag.TRAIL_LIST, name="platform-log")
def platform_log(gate: Gate) -> HttpResponse:
    operators = {str(each.id): each.name for each in list_operators()}
    form = PlatformFilterForm(operators, gate.request.GET)
    if not form.is_valid():
        return render(
            gate, "console/operator/log.html", {"form": form, "filtered": True, "more_open": True}, status=422
        )
    page, context = found_by(form, gate.request.path, list_platform_entries)
    gate.looks_at(object_kind="trail", filters=sorted(form.asked), count=len(page.entries))
    customers = {each: find_customer(each) for each in {entry.customer_id for entry in page.entries} if each}
    context["entries"] = [_row(entry, operators, customers) for entry in page.entries]
    return render(gate, "console/operator/log.html", context)


def _row(entry: EntryView, operators: dict[str, str], customers: dict[UUID, Customer | None]) -> dict[str, Any]:
    told = KINDS.get(ActorKind(entry.actor_kind), entry.actor_kind)
    named = operators.get(entry.actor_id, "")
    by_login = entry.actor_kind in (ActorKind.SYSTEM, ActorKind.OPERATOR) and entry.actor_id
    customer = customers.get(entry.customer_id) if entry.customer_id else None
    return {
        "entry": entry,
        "who": named or (f"{told} ({entry.actor_id})" if by_login else told),
        "customer": customer.name if customer else "",
        "object": f"{entry.object_kind.replace('_', ' ')} …{entry.object_id[-6:]}" if entry.object_id else "",
        "details": sorted(entry.details.items()),
    }
