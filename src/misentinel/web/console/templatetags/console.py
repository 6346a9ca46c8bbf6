"""What the templates share: icons, moments, form fields, flash messages. No inline style or script."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.contrib.messages import get_messages
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from misentinel.kernel import clock
from misentinel.teammates.contracts import Permission
from misentinel.web.console import rendering
from misentinel.web.gate import Gate

register = template.Library()
ICONS = Path(__file__).parents[1] / "static/console/vendor/icons"


@register.simple_tag(takes_context=True)
def console_layout(context: template.Context) -> rendering.Layout:
    """Returns what `console/base.html` needs beside the page; the view passed its gate as `gate`."""
    return rendering.layout(context["gate"])


@register.filter
def may(gate: Gate, permission: str) -> bool:
    """Says whether whoever reads the page holds it, so that nobody is offered a link that refuses them."""
    return gate.may(Permission(permission))


@register.simple_tag(takes_context=True)
def flashes(context: template.Context) -> Any:
    """Returns what earlier requests left to be said, under a name that no page's own variable hides."""
    request = context.get("request")
    return get_messages(request) if request is not None else []


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Returns a vendored icon as inline SVG; decorative unless it is given a label."""
    drawing = _drawing(name)
    if label:
        return format_html('<span class="d-inline-flex" role="img" aria-label="{}">{}</span>', label, drawing)
    return drawing


@cache
def _drawing(name: str) -> SafeString:
    svg = " ".join((ICONS / f"{name}.svg").read_text().split())
    drawing = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return mark_safe(drawing)  # noqa: S308  # nosec B308 B703  # nosemgrep: no-text-called-safe  (our own files)


@register.simple_tag(takes_context=True)
def moment(context: template.Context, at: datetime | None, empty: str = "Never") -> SafeString:
    """Returns a `<time>` with the exact moment, and how long ago it was where that is more telling."""
    if at is None:
        return format_html('<span class="text-secondary">{}</span>', empty)
    at = _here(context, at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(timespec="milliseconds"), _exact(at), _spoken(at)
    )


@register.simple_tag(takes_context=True)
def exactly(context: template.Context, at: datetime | None, empty: str = "Never") -> SafeString:
    """Returns a `<time>` to the second."""
    if at is None:
        return format_html('<span class="text-secondary">{}</span>', empty)
    at = _here(context, at)
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="milliseconds"), _exact(at))


def _here(context: template.Context, at: datetime) -> datetime:
    """Returns the moment in the customer's time zone; in UTC where nobody's page is shown."""
    layout = context.get("layout")
    return at.astimezone(layout.zone if isinstance(layout, rendering.Layout) else UTC)


def _exact(at: datetime) -> str:
    return at.strftime("%-d %b %Y, %H:%M:%S %Z")


def _spoken(at: datetime) -> str:
    present = clock.now().astimezone(at.tzinfo)
    ago = present - at
    if timedelta() <= ago < timedelta(minutes=1):
        return "just now"
    for size, unit in ((timedelta(minutes=1), "minute"), (timedelta(hours=1), "hour")):
        count = int(ago / size)
        if 1 <= count < (60 if unit == "minute" else 24):
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return at.strftime("%-d %b, %H:%M %Z" if at.year == present.year else "%-d %b %Y, %H:%M %Z")


@register.inclusion_tag("console/parts/field.html")
def field(bound: BoundField, hint: str = "") -> dict[str, Any]:
    """Renders a label, the control, its hint and its errors, tied together for screen readers."""
    widget = bound.field.widget
    checkbox = isinstance(widget, CheckboxInput)
    described = [f"{bound.auto_id}-hint"] * bool(hint or bound.help_text)
    described += [f"{bound.auto_id}-error"] * bool(bound.errors)
    css = "form-check-input" if checkbox else "form-select" if isinstance(widget, Select) else "form-control"
    attributes: dict[str, str | bool] = {
        "class": f"{widget.attrs.get('class', '')} {css} {'is-invalid' if bound.errors else ''}".strip()
    }
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {
        "bound": bound,
        "control": bound.as_widget(attrs=attributes),
        "checkbox": checkbox,
        "group": isinstance(widget, RadioSelect),
        "hint": hint or bound.help_text,
    }


@register.filter
def humane(name: object) -> str:
    """Turns an enumerated word such as "not_signed_in" or "message:send" into words."""
    return str(name).replace("_", " ").replace(":", " · ")
