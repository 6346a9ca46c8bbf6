"""One's own sessions and devices: seen, ended, forgotten. What ends here is over with its next request."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect

from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_pages import show
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.SIGNED_IN


@routes.get("account/sessions", needs=_NEEDS, tag=Tag.SESSION_LIST, name="sessions")
def sessions(gate: Gate) -> HttpResponse:
    own = UUID(gate.principal.id)
    lasting = queries.get_limits(gate.employer_id)
    context = {
        "sessions": queries.list_sessions(own),
        "devices": queries.list_devices(own),
        "current": UUID(gate.principal.credential),
        "codes_left": queries.recovery_codes_left(own),
        "idle": in_words(int(lasting.idle.total_seconds()) // 60),
        "absolute": in_words(int(lasting.absolute.total_seconds()) // 60),
    }
    return show(gate, "account/sessions.html", context)


@routes.post("account/sessions/<uuid:session_id>/end", needs=_NEEDS, tag=Tag.SESSION_REVOKE, name="session-end")
def end_session(gate: Gate, session_id: UUID) -> HttpResponse:
    actions.revoke_session(gate.actor, UUID(gate.principal.id), session_id)
    return HttpResponseRedirect("/account/sessions")


@routes.post("account/sessions/end-others", needs=_NEEDS, tag=Tag.SESSION_REVOKE, name="sessions-end")
def end_other_sessions(gate: Gate) -> HttpResponse:
    actions.revoke_other_sessions(gate.actor, UUID(gate.principal.id), UUID(gate.principal.credential))
    return HttpResponseRedirect("/account/sessions")


@routes.post("account/sessions/end-all", needs=_NEEDS, tag=Tag.SESSION_REVOKE, name="sessions-end-all")
def end_all_sessions(gate: Gate) -> HttpResponse:
    """This one as well."""
    actions.revoke_sessions(gate.actor, gate.employer_id, UUID(gate.principal.id))
    gate.request.session.flush()
    return HttpResponseRedirect("/sign-in", headers={"Clear-Site-Data": '"cache"'})


@routes.post("account/devices/<uuid:device_id>/forget", needs=_NEEDS, tag=Tag.SESSION_REVOKE, name="device-forget")
def forget_device(gate: Gate, device_id: UUID) -> HttpResponse:
    actions.forget_device(gate.actor, UUID(gate.principal.id), device_id)
    return HttpResponseRedirect("/account/sessions")


def in_words(minutes: int) -> str:
    """Returns for example "12 hours", in the largest unit that fits without a rest."""
    for unit, length in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes % length == 0:
            count = minutes // length
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{minutes} minutes"
