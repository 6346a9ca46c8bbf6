"""The gate: who asks, for which customer, with which permission. Refuses by default and leaves an entry every time.

A view is registered with `Routes`, and each of its methods declares what it needs and which tag tells of it. There is
no other way to a view: `check_routes` stops the start-up for a URL without a declaration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NoReturn
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.errors import Misconfigured, MiSentinelError, NotAllowed, NotFound, NotSignedIn, Refused, TooMany
from misentinel.store.contracts import Store
from misentinel.store.queries import get_store
from misentinel.teammates.contracts import Permission, Principal
from misentinel.teammates.rules import allowed
from misentinel.trail.actions import OUT_OF_REACH, noticing, record, record_control
from misentinel.trail.contracts import Outcome, Tag
from misentinel.web import answers, identity, step_up
from misentinel.web.allowance import Allowance
from misentinel.web.networks import require_not_denied
from misentinel.web.origins import is_foreign
from misentinel.web.requests import METHODS, RECORDED, address, request_id
from misentinel.web.uploads import is_multipart, refuse_files

_log = logging.getLogger(__name__)
_allowance = Allowance(settings.MISENTINEL.request_rate)
_ONES_OWN = frozenset({Permission.SIGNED_IN, Permission.OPERATE})
_NOT_LET_IN = "No customer has let you in here, or its access is over. Your own pages say which are open."
_READS_ONLY = "This token may only read. Create one that is not read-only to make changes."
_LOOKS_ONLY = "You were let in to look, not to change anything."


class Edge(StrEnum):
    """Who talks to a route, so how it is identified and answered."""

    CONSOLE = "console"  # a browser with a session; HTML; CSRF-protected
    API = "api"  # a program with a key in the Authorization header; JSON
    PUBLIC = "public"  # anybody, without a session; HTML; each view checks its own token


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one method of one URL needs, and the tag under which the trail tells of it.

    `fresh`: a factor must have been shown in this session in the last five minutes as well.
    `looks`: changes nothing, though it is no GET, because what is asked for is personal and has no place in a URL.
    `background`: asked by a page itself, again and again: no use of the session, and it leaves an entry only where it
    was refused or where its answer holds something.
    """

    method: str
    needs: Permission
    tag: Tag
    edge: Edge
    path: str
    fresh: bool = False
    looks: bool = False
    background: bool = False


@dataclass(slots=True)
class Gate:
    """What a view gets: the request with who asks and, where the route belongs to a customer, their store."""

    request: HttpRequest
    declaration: Declaration
    principal: Principal
    actor: Actor
    _store: Store | None = None
    _looked_at: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        if self._store is None and self.principal.kind is ActorKind.OPERATOR:
            raise Refused(_NOT_LET_IN)
        if self._store is None:
            raise NotSignedIn("This needs a customer's credential.")
        return self._store

    @property
    def customer_id(self) -> UUID:
        return self.store.customer_id

    @property
    def employer_id(self) -> UUID:
        """For pages of one's own account: whose staff asks, wherever they are. Not for anything of a customer's."""
        if self.principal.employer_id is None:
            raise NotSignedIn("This needs a customer's credential.")
        return self.principal.employer_id

    def may(self, permission: Permission) -> bool:
        return allowed(self.principal, permission)

    def require(self, permission: Permission) -> None:
        """For what only this request's content makes necessary. Raises `Refused`, which is recorded like any."""
        if not self.may(permission):
            raise Refused(_needs(permission))
        _refuse_change(self, permission)

    def looks_at(
        self, *, object_kind: str = "", object_id: object = "", person_id: UUID | None = None, **details: Any
    ) -> None:
        """Says what this request is about, for its entry on the trail: ids, field names and counts only."""
        self._looked_at = {"object_kind": object_kind, "object_id": object_id, "details": details}
        if person_id is not None:
            self._looked_at["person_id"] = person_id

    def belongs_to(self, store: Store) -> None:
        """For public routes: the view has found out whose store its token speaks of."""
        self._store = store


View = Callable[..., HttpResponseBase]


class Routes:
    """The URLs of one edge. `@routes.get("people/", needs=…, tag=…, name="people")` registers a view."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._views: dict[str, dict[str, tuple[Declaration, View]]] = {}
        self._names: dict[str, str] = {}

    def get(
        self, url: str, *, needs: Permission, tag: Tag, name: str, fresh: bool = False, background: bool = False
    ) -> Callable[[View], View]:
        return self._register("GET", url, needs, tag, name, fresh, background)

    def post(self, url: str, *, needs: Permission, tag: Tag, name: str, fresh: bool = False) -> Callable[[View], View]:
        return self._register("POST", url, needs, tag, name, fresh)

    def add(
        self, method: str, url: str, *, needs: Permission, tag: Tag, name: str, view: View, fresh: bool = False,
        looks: bool = False, background: bool = False,
    ) -> None:  # fmt: skip
        """Registers `view`. Raises `Misconfigured` for a second view, or a second name, of the same URL, and for a
        fresh proof where nobody has a session to show one in."""
        if self._names.setdefault(url, name) != name:
            raise Misconfigured(f"{url!r} is registered under two names, {self._names[url]} and {name}.")
        if fresh and (self.edge is not Edge.CONSOLE or needs is Permission.PUBLIC):
            raise Misconfigured(f"{method} {url!r} asks for a fresh proof, which only a signed-in teammate can show.")
        views = self._views.setdefault(url, {})
        if method in views:
            raise Misconfigured(f"{method} {url!r} is registered twice.")
        views[method] = (Declaration(method, needs, tag, self.edge, url, fresh, looks, background), view)

    def _register(
        self, method: str, url: str, needs: Permission, tag: Tag, name: str, fresh: bool, background: bool = False
    ) -> Callable[[View], View]:
        def register(view: View) -> View:
            self.add(method, url, needs=needs, tag=tag, name=name, view=view, fresh=fresh, background=background)
            return view

        return register

    def urlpatterns(self) -> list[URLPattern]:
        return [path(url, _dispatcher(views), name=self._names[url]) for url, views in self._views.items()]


def check_routes(patterns: list[Any]) -> list[Declaration]:
    """Returns every declaration behind `patterns`. Raises `Misconfigured` for a URL that declares nothing."""
    found: list[Declaration] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += check_routes(pattern.url_patterns)
            continue
        declared = getattr(pattern.callback, "declarations", None)
        if not declared:
            raise Misconfigured(f"The route {pattern.pattern} declares no permission; register it with Routes.")
        found += declared
    return found


def pass_gate(
    request: HttpRequest, declaration: Declaration, call: Callable[[Gate], HttpResponseBase]
) -> HttpResponseBase:
    """Identifies, permits, calls and records. Every answer leaves at least one entry, a refusal too."""
    principal = identity.identify(request, declaration.edge, used=not declaration.background)
    access = "" if declaration.needs is Permission.OPERATE else principal.access
    actor = Actor(principal.kind, principal.id, principal.credential, address(request), request_id(request), access)
    gate = Gate(request, declaration, principal, actor)
    with noticing() as noticed:
        try:
            require_not_denied(actor.address, settings.MISENTINEL.denied_networks)
            _spend(gate)
            _admit(gate)
            response = call(gate)
        except step_up.ProofNeeded as error:
            response = step_up.ask(gate, error)
            _record(gate, Outcome.REFUSED, {"error": error.code, "why": error.why})
        except MiSentinelError as error:
            if error.status >= 500:
                _log.error("%s, request %s", error.code, actor.request_id, exc_info=error)
            response = answers.failure(gate, error)
            _record(gate, _outcome(error), {"error": error.code})
        except Exception:
            _record(gate, Outcome.FAILED, {"error": "internal"})
            request.META[RECORDED] = True
            raise
        else:
            said_nothing = declaration.background and response.status_code == 204
            if (not noticed or request.method == "GET") and not said_nothing:
                _record(gate, Outcome.DONE if response.status_code < 400 else Outcome.FAILED, {})
    return response


def refuse_forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answers a form that did not come from our own page (CSRF). Recorded like any refusal; `reason` is Django's."""
    principal = identity.identify(request, Edge.CONSOLE)
    actor = Actor(
        principal.kind, principal.id, principal.credential, address(request), request_id(request), principal.access
    )
    route = f"{request.method} /{request.resolver_match.route}" if request.resolver_match else ""
    record_control(
        actor, Tag.ACCESS_REFUSE, customer_id=principal.customer_id, outcome=Outcome.REFUSED,
        details={"error": "forgery", "route": route},
    )  # fmt: skip
    return answers.page(request, 403, "This form is too old or did not come from here. Go back, reload, and try again.")


def _spend(gate: Gate) -> None:
    """Counts this request against its credential. What a write key sends is counted by events instead."""
    credential = gate.principal.credential
    if credential and gate.declaration.needs is not Permission.WRITE_EVENTS:
        wait = _allowance.take(credential, 1)
        if wait:
            raise TooMany("More requests come with this credential than it may make; wait a moment.", retry_after=wait)


def _admit(gate: Gate) -> None:
    principal, needs = gate.principal, gate.declaration.needs
    if needs is Permission.PUBLIC and gate.declaration.edge is not Edge.API:
        if principal.usable and principal.customer_id is not None:
            gate._store = get_store(principal.customer_id)
        return
    if needs is not Permission.PUBLIC and not allowed(principal, needs):
        if principal.kind is ActorKind.ANONYMOUS or not principal.usable:
            raise NotSignedIn("Sign in to go on." if gate.declaration.edge is Edge.CONSOLE else answers.NO_KEY)
        outside = principal.kind is ActorKind.OPERATOR and principal.customer_id is None
        raise Refused(_NOT_LET_IN if outside else _needs(needs))
    _refuse_change(gate, needs)
    # The operator's own pages open no store, wherever their reader is.
    if principal.customer_id is not None and needs is not Permission.OPERATE:
        gate._store = get_store(principal.customer_id)
    if gate.declaration.fresh:
        step_up.require_fresh(gate)


def _refuse_change(gate: Gate, needs: Permission) -> None:
    """For a token that may only read, and an operator who was let in to look, except for what is their own."""
    declared = gate.declaration
    if not gate.principal.read_only or declared.method == "GET" or declared.looks or needs in _ONES_OWN:
        return
    operator = gate.principal.kind is ActorKind.OPERATOR
    raise Refused(_LOOKS_ONLY if operator else _READS_ONLY)


def _needs(permission: Permission) -> str:
    return f"This needs the permission “{permission.title}”. Ask whoever manages your teammates."


def _outcome(error: MiSentinelError) -> Outcome:
    return Outcome.REFUSED if isinstance(error, NotSignedIn | Refused | NotFound) else Outcome.FAILED


def _record(gate: Gate, outcome: Outcome, extra: dict[str, Any]) -> None:
    """On the customer's trail where there is one, else on the platform log."""
    declaration = gate.declaration
    refused = outcome is Outcome.REFUSED
    tag = Tag.ACCESS_REFUSE if refused else declaration.tag
    told = dict(gate._looked_at)
    details = {**told.pop("details", {}), **extra, "route": f"{declaration.method} /{declaration.path}"}
    if refused:
        details |= {"needs": declaration.needs.value, "wanted": declaration.tag.value}
        if gate.principal.why_not:
            details["why"] = gate.principal.why_not
    customer_id = gate.principal.customer_id or (gate.principal.told_to if refused else None)
    if declaration.needs is Permission.OPERATE:
        customer_id = None
    if gate._store is not None:
        try:
            record(gate._store, gate.actor, tag, outcome=outcome, details=details, **told)
            return
        except OUT_OF_REACH:  # the platform log keeps it, and the customer's trail gets it once it can be written
            customer_id = gate._store.customer_id
    told.pop("person_id", None)
    record_control(gate.actor, tag, customer_id=customer_id, outcome=outcome, details=details, **told)


def _dispatcher(views: dict[str, tuple[Declaration, View]]) -> Callable[..., HttpResponseBase]:
    def answer(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else request.method or ""
        if method not in views:
            return pass_gate(request, _refusal(views, method), lambda gate: _not_allowed(views))
        declaration, view = views[method]
        return pass_gate(request, declaration, lambda gate: view(gate, **arguments))

    edges = {declaration.edge for declaration, _ in views.values()}
    behind = csrf_protect(answer) if edges == {Edge.CONSOLE} else answer

    @csrf_exempt
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        """What is refused before anything reads the body, as the check of a form's token does."""
        if edges == {Edge.CONSOLE} and is_foreign(request):
            return refuse_forgery(request)
        if Edge.PUBLIC not in edges and is_multipart(request):
            declaration = _refusal(views, request.method or "")
            return pass_gate(request, declaration, lambda gate: refuse_files())
        return behind(request, **arguments)

    guarded.declarations = [declaration for declaration, _ in views.values()]  # type: ignore[attr-defined]
    return guarded


def _refusal(views: dict[str, tuple[Declaration, View]], method: str) -> Declaration:
    """What the trail tells of a method that a URL does not have. A method nobody has heard of is not repeated."""
    declaration = next(iter(views.values()))[0]
    return replace(declaration, method=method if method in METHODS else "OTHER", needs=Permission.PUBLIC, fresh=False)


def _not_allowed(views: dict[str, tuple[Declaration, View]]) -> NoReturn:
    raise NotAllowed("This is not done with this method.", sorted({*views, "HEAD"} if "GET" in views else views))
