"""Every request gets an id of its own; the trail, the log and the answer's `X-Request-Id` carry it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from misentinel.events.rules.protocol import BATCH_LIMIT
from misentinel.kernel.errors import Malformed, TooLarge
from misentinel.kernel.ids import new_id

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""What an entry may repeat of a request's method; anything else could be a person's name."""
RECORDED = "misentinel.recorded"  # in META: the gate has left an entry for what went wrong


class RequestIdentity:
    """Middleware, outermost. A client's own request id is not taken over: it could be anybody's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.META.setdefault("misentinel.request_id", str(new_id()))  # our web server may have made one
        response = self.get_response(request)
        response["X-Request-Id"] = request_id(request)
        if request.resolver_match is not None:
            request.META["misentinel.route"] = request.resolver_match.route  # the log names it, never the path
        return response


def request_id(request: HttpRequest) -> str:
    found: str = request.META.get("misentinel.request_id", "")
    return found


def address(request: HttpRequest) -> str:
    """The address of the peer. `X-Forwarded-*` is never believed: anybody can write it."""
    found: str = request.META.get("REMOTE_ADDR", "")
    return found


def body_of(request: HttpRequest) -> bytes:
    """Returns the body of a request to the Segment protocol, as it was sent.

    Raises `TooLarge` before reading more than such a request may hold.
    """
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > BATCH_LIMIT:
        raise TooLarge(f"A request may hold {BATCH_LIMIT // 1024} KB; send smaller batches.")
    try:
        return request.body
    except UnreadablePostError:
        raise Malformed("The body ended before its length.") from None
