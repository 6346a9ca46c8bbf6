"""Browsers report here what the content security policy stopped (Reporting API; `report-uri` for older ones).

Anybody can send such a report, so nothing of it is kept but words of ours: which directive, what kind of thing, and the
route of the page. Never an address, a sample of script or anything else that a stranger chose.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from misentinel.kernel.errors import Malformed, TooLarge, TooMany
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.allowance import Allowance
from misentinel.web.gate import Edge, Gate, Routes
from misentinel.web.headers import CONTENT_SECURITY_POLICY, REPORTS_PATH

LARGEST = 16 * 1024
MOST_REPORTS = 20
_DIRECTIVES = {part.split()[0] for part in CONTENT_SECURITY_POLICY.split("; ")} | {
    "script-src-elem", "script-src-attr", "style-src-elem", "style-src-attr", "worker-src", "object-src", "media-src",
    "manifest-src", "child-src",
}  # fmt: skip
_KINDS = {"inline", "eval", "wasm-eval", "data", "blob", "trusted-types-policy", "trusted-types-sink"}

routes = Routes(Edge.PUBLIC)
_allowance = Allowance(5)  # requests a second from one address: a page that is broken tells so often enough


@routes.post(REPORTS_PATH.lstrip("/"), needs=Permission.PUBLIC, tag=Tag.POLICY_REPORT, name="policy-reports")
def receive(gate: Gate) -> HttpResponse:
    wait = _allowance.take(gate.actor.address, 1)
    if wait:
        raise TooMany("Too many reports come from this address; wait before sending more.", retry_after=wait)
    told = list(_read(_body(gate.request)))
    gate.looks_at(object_kind="policy", count=len(told), stopped=sorted(set(told)))
    return HttpResponse(status=204)


def _body(request: HttpRequest) -> Any:
    raw = request.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise TooLarge(f"A report may hold {LARGEST // 1024} KB.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise Malformed("A report is JSON, as browsers send it.") from None


def _read(body: Any) -> Iterator[str]:
    """Yields one line a violation: directive, kind and route."""
    if isinstance(body, dict) and isinstance(body.get("csp-report"), dict):
        old = body["csp-report"]
        yield _line(
            old.get("effective-directive") or old.get("violated-directive"),
            old.get("blocked-uri"),
            old.get("document-uri"),
        )
    for report in body[:MOST_REPORTS] if isinstance(body, list) else []:
        found = report.get("body") if isinstance(report, dict) and report.get("type") == "csp-violation" else None
        if isinstance(found, dict):
            yield _line(found.get("effectiveDirective"), found.get("blockedURL"), found.get("documentURL"))


def _line(directive: Any, blocked: Any, page: Any) -> str:
    directive = directive if isinstance(directive, str) and directive in _DIRECTIVES else "other"
    kind = blocked if isinstance(blocked, str) and blocked in _KINDS else "elsewhere"
    return f"{directive} {kind} /{_route(page)}"


def _route(page: Any) -> str:
    """The pattern of the page's URL, so that no id in it, and no stranger's text, is kept."""
    try:
        return resolve(urlsplit(str(page)).path or "/").route
    except (ValueError, Resolver404):
        return "?"
