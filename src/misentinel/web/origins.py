"""Which requests another site made a browser send: refused where they would act with a teammate's session.

This stands beside the CSRF token and the SameSite cookies, not instead of them (Fetch Metadata, W3C; OWASP calls it a
resource isolation policy). A browser that does not say where a request comes from is judged by those two alone.
"""

from __future__ import annotations

from django.http import HttpRequest

_OURS = {"same-origin", "none"}  # `none`: the person typed the address or followed a bookmark
_LOOKING = {"GET", "HEAD"}


def is_foreign(request: HttpRequest) -> bool:
    """Whether another site caused this, sister sites under the same domain included.

    A link from elsewhere may still open a page: that is a navigation of a whole tab, and it only looks.
    """
    if request.headers.get("Sec-Fetch-Site", "none") in _OURS:
        return False
    navigates = request.headers.get("Sec-Fetch-Mode", "") == "navigate"
    whole_tab = request.headers.get("Sec-Fetch-Dest", "") == "document"
    return not (request.method in _LOOKING and navigates and whole_tab)
