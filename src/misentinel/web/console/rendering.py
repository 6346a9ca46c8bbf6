"""Turning a page's own context into an answer. The layout asks for its own part with the tag `console_layout`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render as render_template
from django.urls import reverse

from misentinel.customers.queries import get_customer
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import Permission
from misentinel.teammates.queries import get_teammate
from misentinel.web.console import navigation
from misentinel.web.console.presence import Presence, presence_of
from misentinel.web.gate import Gate


@dataclass(frozen=True, slots=True)
class Layout:
    """What `console/base.html` needs beside the page: whose console this is, and who sits before it."""

    customer_name: str
    name: str
    email: str
    initials: str
    zone: ZoneInfo
    nav: list[navigation.Item] = field(default_factory=list)
    account_menu: list[navigation.Item] = field(default_factory=list)
    sign_out_url: str = ""
    presence: Presence = field(default_factory=Presence)


def render(gate: Gate, template: str, context: dict[str, Any] | None = None, *, status: int = 200) -> HttpResponse:
    """Renders a page of a signed-in teammate."""
    return render_template(gate.request, template, {**(context or {}), "gate": gate}, status=status)


def fragment(gate: Gate, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Renders a part of a page that is already open, for htmx."""
    return render_template(gate.request, template, {**context, "gate": gate}, status=status)


def redirect(name: str, **arguments: object) -> HttpResponseRedirect:
    """Sends the browser on after a form was accepted, so that a reload repeats nothing."""
    return HttpResponseRedirect(reverse(name, kwargs=arguments))


def layout(gate: Gate) -> Layout:
    teammate_id = parse_id(gate.principal.id)
    teammate = get_teammate(gate.employer_id, teammate_id) if teammate_id else None
    name = (teammate.name or teammate.email) if teammate else ""
    customer = get_customer(gate.principal.customer_id) if gate.principal.customer_id else None
    return Layout(
        customer_name=customer.name if customer else "Operator",
        zone=ZoneInfo(customer.time_zone if customer else "UTC"),
        name=name,
        email=teammate.email if teammate else "",
        initials=initials(name),
        nav=navigation.menu(gate.request.path, [p for p in Permission if gate.may(p)], inside=customer is not None),
        account_menu=list(navigation.ACCOUNT_MENU),
        sign_out_url=navigation.SIGN_OUT_URL,
        presence=presence_of(gate),
    )


def initials(name: str) -> str:
    """Returns up to two letters that stand for a name, for example "AR" for "Asha Rao"."""
    words = name.replace("@", " ").split()
    letters = [words[0], words[-1]] if len(words) > 1 and "@" not in name else words[:1]
    return "".join(word[0] for word in letters).upper()
