"""The cookie by which a browser is known again, `__Host-device`. It lets nobody in."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from misentinel.teammates import actions
from misentinel.teammates.contracts import Session

COOKIE = "__Host-device"
_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie (RFC 6265bis, 5.5)
_NEXT = "misentinel.device"


def recognise(request: HttpRequest, session: Session) -> None:
    """Looks whether this browser is known to whoever just signed in, and has the answer carry its next cookie."""
    request.META[_NEXT] = actions.recognise_device(session, request.COOKIES.get(COOKIE, ""))


class DeviceCookie:
    """Middleware. Sets the cookie on the answer to a sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        value = request.META.get(_NEXT)
        if value:
            response.set_cookie(  # nosemgrep: no-cookie-by-hand  (the third cookie there is, bound to the host as well)
                COOKIE, value, max_age=_SECONDS, secure=True, httponly=True, samesite="Lax", path="/"
            )
        return response
