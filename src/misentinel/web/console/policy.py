"""How a rendered e-mail is served: as a stranger's document, in a sandbox.

Its policy allows no scripts, no forms and no origin, and loads nothing from anywhere, so that looking at a message
neither runs what somebody wrote into it nor tells anybody that it was looked at.
"""

from __future__ import annotations

import re

from django.http import HttpResponse
from django.utils.html import format_html

PREVIEW_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "frame-ancestors 'self'; base-uri 'none'"
)
# What mail programs do for a message that chooses no font; anything the message says itself wins.
_PLAIN_LOOK = "<style>:where(body) {font: 15px/1.55 system-ui, sans-serif; margin: 16px; color: #1f2937}</style>"
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_BAND = (
    '<div style="font: 14px system-ui, sans-serif; color: {}; background: {}; '
    'padding: 12px 16px; margin: 0 0 16px; border-radius: 6px; white-space: pre-wrap">{}</div>'
)


def sandboxed(html: str, *, status: int = 200) -> HttpResponse:
    """Returns `html`, a whole document or a part of one, as the document of an iframe on our own pages."""
    response = HttpResponse(f"<!doctype html>{_PLAIN_LOOK}{html}", status=status)
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def with_subject(html: str, subject: str) -> str:
    """Returns the document with a band above its content that tells the subject."""
    band = format_html(_BAND, "#374151", "#f3f4f6", f"Subject: {subject}")
    found = _BODY.search(html)
    return html[: found.end()] + band + html[found.end() :] if found else band + html


def problem(told: str) -> str:
    """Returns a document that says why there is no preview."""
    return format_html(_BAND, "#7f1d1d", "#fef2f2", told)


def plain(text: str) -> str:
    """Returns text as a document."""
    return format_html('<pre style="white-space: pre-wrap; font: 14px/1.6 system-ui, sans-serif">{}</pre>', text)
