"""The cast of the tests: Asha owns Acme, Ben is her limited teammate, Mallory owns Bolt; Olga and Otto run MiSentinel.

Their rows are those of a whole enrolment, without the seconds that hashing a password for each would take.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import transaction
from django.test import Client
from django.test.client import MULTIPART_CONTENT

from misentinel.kernel.actor import OPERATOR_ID, Actor, ActorKind, anonymous, system
from misentinel.kernel.clock import now
from misentinel.store.contracts import Store
from misentinel.teammates import actions, second_factor
from misentinel.teammates.actions.operator_access import give_unasked
from misentinel.teammates.actions.sessions import open_session
from misentinel.teammates.contracts import GRANTABLE, LETTABLE, Permission
from misentinel.teammates.models import Teammate
from misentinel.trail.queries import log_of
from misentinel.trail.shipping.actions import add_sink
from misentinel.trail.shipping.contracts import SinkKind
from misentinel.web.identity import SESSION_KEY

ADDRESS = "192.0.2.7"
FORMS = "application/x-www-form-urlencoded"


def hire(customer_id: UUID, name: str, permissions: Iterable[Permission] = GRANTABLE) -> Teammate:
    """An enrolled teammate with an authenticator and no usable password."""
    email = f"{name.lower().replace(' ', '.')}.{uuid.uuid4().hex[:8]}@example.com"
    link = actions.invite_teammate(system("test"), customer_id, email=email, name=name, permissions=permissions)
    teammate = Teammate.objects.get(id=link.teammate_id)
    teammate.enrolled_at = now()
    teammate.save()
    second_factor.replace_authenticator(teammate, second_factor.new_seed())
    return teammate


def join_staff(name: str) -> Teammate:
    """Somebody of the operator's own staff, enrolled. Olga and Otto are the usual ones."""
    return hire(OPERATOR_ID, name, ())


def let_in(operator: Teammate, giver: Teammate, permissions: Iterable[Permission] = LETTABLE, **more: Any) -> UUID:
    """Gives `operator` access to the customer of `giver`, who has to hold what is given; returns its id."""
    terms: dict[str, Any] = {"reason": "Ticket 4711: imports fail", "minutes": 60, "looks_only": False} | more
    by = Actor(ActorKind.TEAMMATE, str(giver.id))
    return give_unasked(by, giver.customer_id, operator.id, permissions=permissions, **terms)


def ship_somewhere(store: Store) -> str:
    """A sink of the customer's trail, at a host that is not there; returns its name."""
    add_sink(
        system("test"), log_of(store), name="far", kind=SinkKind.SYSLOG, address="logs.example.com:6514", location="GB"
    )
    return "far"


def start_session(teammate: Teammate) -> UUID:
    """A session as a whole sign-in opens one."""
    with transaction.atomic():
        return open_session(anonymous(ADDRESS), teammate, device="Firefox on Linux", way="authenticator").id


class Browser(Client):
    """Sends forms as the console's own do: over HTTPS, urlencoded, never multipart."""

    def generic(self, method, path, data="", content_type="application/octet-stream", secure=True, **options):
        return super().generic(method, path, data, content_type, secure=True, **options)

    def post(self, path, data=None, content_type=FORMS, **options):
        if content_type == FORMS and any(hasattr(value, "read") for value in getattr(data, "values", list)()):
            content_type = MULTIPART_CONTENT  # somebody tries a file
        elif content_type == FORMS and not isinstance(data, str | bytes):
            data = urlencode(data or {}, doseq=True)
        return super().post(path, data, content_type, **options)


def browser(session_id: UUID | None = None, **options: object) -> Client:
    """A browser at HTTPS that shows the session, or none."""
    client = Browser(headers={"host": "localhost"}, REMOTE_ADDR=ADDRESS, **{"wsgi.url_scheme": "https"}, **options)
    if session_id is not None:
        session = client.session
        session[SESSION_KEY] = str(session_id)
        session.save()
    return client


def signed_in(teammate: Teammate, **options: object) -> Client:
    return browser(start_session(teammate), **options)


def code_for(seed: str, steps: int = 0) -> str:
    """What the authenticator app shows now, or `steps` half-minutes from now."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return format_hotp_value(hotp_value(seed, int(now().timestamp()) // second_factor.PERIOD_SECONDS + steps))
