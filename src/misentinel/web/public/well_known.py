"""What strangers look for at fixed places: whom to tell of a weakness, where a password changes, what not to crawl."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from misentinel.kernel import clock, settings
from misentinel.kernel.errors import NotFound
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.gate import Edge, Gate, Routes

VALID_FOR = timedelta(days=180)  # RFC 9116, 2.5.5 recommends less than a year
PLAIN = "text/plain; charset=utf-8"

routes = Routes(Edge.PUBLIC)


@routes.get(".well-known/security.txt", needs=Permission.PUBLIC, tag=Tag.PAGE_VIEW, name="security-txt")
def security_txt(gate: Gate) -> HttpResponse:
    """RFC 9116. An installation that has named no contact has no such file."""
    found = settings.load()
    if not found.security_contact:
        raise NotFound("No contact is set.")
    expires = (clock.now() + VALID_FOR).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [f"Contact: {contact}" for contact in contacts(found.security_contact)]
    lines += [
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}", "Preferred-Languages: en",
        f"Canonical: {found.base_url}/.well-known/security.txt",
    ]  # fmt: skip
    return HttpResponse("\n".join(lines) + "\n", content_type=PLAIN)


def contacts(setting: str) -> list[str]:
    """Returns the URIs of the setting, in their order; what is no URI is an address of e-mail."""
    given = [each.strip() for each in setting.split(",") if each.strip()]
    return [each if each.startswith(("mailto:", "https://", "tel:")) else f"mailto:{each}" for each in given]


@routes.get(".well-known/change-password", needs=Permission.PUBLIC, tag=Tag.PAGE_VIEW, name="change-password")
def change_password(gate: Gate) -> HttpResponse:
    """Where password managers send people (W3C, A Well-Known URL for Changing Passwords; RFC 8615)."""
    return HttpResponseRedirect(reverse("password"))


@routes.get("robots.txt", needs=Permission.PUBLIC, tag=Tag.PAGE_VIEW, name="robots-txt")
def robots_txt(gate: Gate) -> HttpResponse:
    """RFC 9309. Nothing here is for a search engine; the pages are guarded by the gate and not by this."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type=PLAIN)
