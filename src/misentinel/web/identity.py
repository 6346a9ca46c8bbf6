"""Which principal a request shows: a session in the console, a key in the API, nobody on public pages.

Where a request comes from plays no part: neither its address nor any forwarding header makes it anybody.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial

from django.http import HttpRequest

from misentinel.events.rules.protocol import find_write_key
from misentinel.kernel.errors import Invalid
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import ANONYMOUS, Principal
from misentinel.teammates.places import network_of
from misentinel.teammates.queries import principal_of_secret, principal_of_session
from misentinel.web.requests import address, body_of
from misentinel.web.signatures import prove

SESSION_KEY = "session"
TURN_KEY = "turn"


def identify(request: HttpRequest, edge: str, *, used: bool = True) -> Principal:
    """Returns who asks, looked up anew for this request; `ANONYMOUS` for nobody we know."""
    if edge == "console":
        shown = request.session
        turn = int(shown.get(TURN_KEY, 0))
        principal = principal_of_session(parse_id(str(shown.get(SESSION_KEY, ""))), turn, used=used)
        if principal.usable and principal.turn != turn:
            change_key(request, principal.turn)
        return principal
    if edge == "api":
        secret = secret_of(request.headers.get("Authorization", "")) or _key_in_body(request)
        if not secret:
            return ANONYMOUS
        return principal_of_secret(secret, network=network_of(address(request)), prove=partial(prove, request))
    return ANONYMOUS


def change_key(request: HttpRequest, turn: int) -> None:
    """Gives the browser a new session key for its session's next turn; the old one is forgotten (ASVS 5.0, 7.2.4)."""
    request.session.cycle_key()
    request.session[TURN_KEY] = turn


def _key_in_body(request: HttpRequest) -> str:
    """The `writeKey` beside the items: the Segment protocol's other place for it."""
    if request.method != "POST" or not request.path.startswith("/v1/"):
        return ""
    try:
        return find_write_key(body_of(request)) or ""
    except Invalid:  # too large or not readable: the view says so to whoever shows a key, nobody else is told
        return ""


def secret_of(header: str) -> str:
    """Returns the key in an Authorization header: Bearer (RFC 6750), or the name in Basic (RFC 7617), as SDKs send."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
