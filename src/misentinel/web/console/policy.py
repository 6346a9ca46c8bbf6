"""How a rendered e-mail is served: as a stranger's document, in a sandbox.

Its policy allows no scripts, no forms and no origin, and loads nothing from anywhere, so that looking at a message
neither runs what somebody wrote into it nor tells anybody that it was looked at.
"""

from __future__ import annotations

from django.http import HttpResponse

PREVIEW_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "frame-ancestors 'self'; base-uri 'none'"
)


def sandboxed(html: str) -> HttpResponse:
    """Returns `html` as the document of an iframe on our own pages."""
    response = HttpResponse(html)
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    return response
