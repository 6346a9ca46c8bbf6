"""What ties a passkey's challenge to the browser that asked for it: a random value in its server-side session."""

from __future__ import annotations

from django.http import HttpRequest

from misentinel.teammates.passkeys import new_binding

_BINDING = "passkey_binding"


def binding_of(request: HttpRequest) -> str:
    """Returns the session's value, made the first time it is asked for."""
    if _BINDING not in request.session:
        request.session[_BINDING] = new_binding()
    found: str = request.session[_BINDING]
    return found
