"""Answers to what went wrong: RFC 9457 problems for programs, a page that says what to do for people."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render

from misentinel.kernel.errors import (
    Invalid,
    Malformed,
    MiSentinelError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooMany,
    Unavailable,
)
from misentinel.trail.actions import OUT_OF_REACH
from misentinel.web.requests import request_id
from misentinel.web.unrouted import record_unrouted

if TYPE_CHECKING:
    from misentinel.web.gate import Gate

NO_KEY = "Send a key in the Authorization header; it may have been revoked, have expired, or ask for signed requests."
SIGN_IN_PATH = "/sign-in"
_TITLES = {
    400: "Not readable", 401: "Not signed in", 403: "Not permitted", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 410: "Gone", 413: "Too large", 415: "Not accepted", 422: "Not valid", 429: "Too many requests",
    500: "Something went wrong", 503: "Not available right now",
}  # fmt: skip


def failure(gate: Gate, error: MiSentinelError) -> HttpResponse:
    """The answer to `error`, in the form that the route's edge speaks."""
    response = _failure(gate, error)
    if isinstance(error, NotAllowed):
        response["Allow"] = ", ".join(error.methods)
    if isinstance(error, TooMany):
        response["Retry-After"] = str(error.retry_after)
    return response


def _failure(gate: Gate, error: MiSentinelError) -> HttpResponse:
    if gate.declaration.edge == "api":
        return problem(gate.request, error)
    if isinstance(error, NotSignedIn) and gate.declaration.edge == "console":
        query = urlencode({"next": gate.request.get_full_path()}) if gate.request.method == "GET" else ""
        return HttpResponseRedirect(f"{SIGN_IN_PATH}?{query}" if query else SIGN_IN_PATH)
    return page(gate.request, error.status, _told(error), gate=gate)


def problem(request: HttpRequest, error: MiSentinelError) -> HttpResponse:
    """An RFC 9457 problem: `type`, `title`, `status`, `detail`, and the request id as `instance`."""
    if request.path.startswith("/scim/"):
        return _scim_problem(request, error)
    body: dict[str, Any] = {
        "type": f"urn:misentinel:problem:{error.code}",
        "title": _TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": _told(error),
        "instance": f"urn:uuid:{request_id(request)}",
    }
    response = JsonResponse(body, status=error.status, content_type="application/problem+json")
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = 'Basic realm="MiSentinel", charset="UTF-8", Bearer'
    return response


def _scim_problem(request: HttpRequest, error: MiSentinelError) -> HttpResponse:
    """The same for a company's directory, in SCIM's form (RFC 7644, 3.12)."""
    status = 400 if isinstance(error, Invalid) else error.status
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": _told(error)
    }  # fmt: skip
    scim_type = str(error.details.get("scim_type") or ("invalidValue" if isinstance(error, Invalid) else ""))
    if scim_type:
        body["scimType"] = scim_type
    response = HttpResponse(json.dumps(body), status=status, content_type="application/scim+json")
    if isinstance(error, TooMany):
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = "Bearer"
    return response


def page(request: HttpRequest, status: int, told: str, gate: Gate | None = None) -> HttpResponse:
    """A page for a person: what happened, what to do, and the request id to quote."""
    context = {
        "status": status, "title": _TITLES.get(status, "Error"), "told": told,
        "request_id": request_id(request), "gate": gate,
    }  # fmt: skip
    return render(request, "error.html", context, status=status)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For URLs that lead nowhere."""
    record_unrouted(request, NotFound.code)
    return _by_path(request, NotFound("There is no such page."))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For what Django itself cannot read: too many fields, more than a form may hold, a body that broke off."""
    error: Invalid = Malformed("This request cannot be read.")
    if isinstance(exception, RequestDataTooBig):
        error = TooLarge("This is more than a request may hold; send less at once.")
    record_unrouted(request, error.code)
    return _by_path(request, error)


def server_error(request: HttpRequest) -> HttpResponse:
    """For what nobody foresaw: no detail leaves the log, the request id finds it there."""
    if isinstance(sys.exc_info()[1], OUT_OF_REACH):
        return _by_path(request, Unavailable("A database does not answer or has no room right now; try again later."))
    return _by_path(request, MiSentinelError("Something went wrong here, and it is in our log."))


def _by_path(request: HttpRequest, error: MiSentinelError) -> HttpResponse:
    if request.path.startswith(("/v1/", "/api/", "/scim/")):
        return problem(request, error)
    return page(request, error.status, error.message)


def _told(error: MiSentinelError) -> str:
    return "There is nothing here." if isinstance(error, NotFound) else error.message
