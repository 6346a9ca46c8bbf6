"""Who of the operator's staff is here, told on every page of the customer's console, and to themselves.

The page asks again every few seconds, with the digest of what it shows: an answer is made only for what is new.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from misentinel.customers.queries import get_customer
from misentinel.kernel.actor import ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import Permission
from misentinel.teammates.contracts.operators import AccessState, AccessView
from misentinel.teammates.queries import find_live_access, list_present
from misentinel.web.gate import Gate


@dataclass(frozen=True, slots=True)
class Line:
    """One band of the banner. `kind`: own, inside, emergency or question."""

    kind: str
    access_id: UUID
    who: str
    until: str
    reason: str
    looks_only: bool


@dataclass(frozen=True, slots=True)
class Presence:
    """What the banner says. `may_end` is for those who decide about the operator's access; `asks` says whether the page
    is one that keeps asking.
    """

    lines: list[Line] = field(default_factory=list)
    may_end: bool = False
    asks: bool = True

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.lines, self.may_end)).encode()).hexdigest()[:16]


def presence_of(gate: Gate) -> Presence:
    customer_id = gate.principal.customer_id
    if customer_id is None:
        return Presence(asks=False)
    zone = ZoneInfo(get_customer(customer_id).time_zone)
    if gate.principal.kind is ActorKind.OPERATOR:
        own = find_live_access(parse_id(gate.principal.access) or customer_id)
        return Presence([_line("own", own, zone)] if own else [])
    may_end = gate.may(Permission.SECURITY_SETTINGS)
    lines = [_line(_kind(view), view, zone) for view in list_present(customer_id)]
    return Presence([line for line in lines if may_end or line.kind in ("inside", "emergency")], may_end)


def _kind(view: AccessView) -> str:
    if view.state is AccessState.ASKED:
        return "question"
    return "emergency" if view.emergency else "inside"


def _line(kind: str, view: AccessView, zone: ZoneInfo) -> Line:
    until = _clock(view.expires_at, zone) if view.expires_at else ""
    return Line(kind, view.id, view.operator_name, until, view.reason, view.looks_only)


def _clock(at: datetime, zone: ZoneInfo) -> str:
    at = at.astimezone(zone)
    return at.strftime("%H:%M" if at.date() == now().astimezone(zone).date() else "%H:%M on %-d %b")
