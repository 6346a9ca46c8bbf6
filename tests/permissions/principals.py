"""Everyone who may knock: each makes its own client, ready to send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.clock import in_future, now
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Credential, SessionRecord, Teammate
from tests.cast import browser, hire, start_session

Knock = Callable[[], Client]


def everyone(acme: UUID, bolt: UUID) -> dict[str, Knock]:
    """Principals by name. Calling one gives a client; a teammate's has a session that nothing before has ended."""
    found: dict[str, Knock] = {"anonymous": browser}
    for name, permissions in _teammates().items():
        teammate = hire(acme, name.title(), permissions)
        found[name] = _signing_in(teammate)
    found["stale-step-up"] = _stale(hire(acme, "Stale"))
    found["other-owner"] = _signing_in(hire(bolt, "Mallory"))
    found |= _shut_out(acme) | _programs(acme)
    return found


def _teammates() -> dict[str, set[Permission] | frozenset[Permission]]:
    single = {f"only-{p.value}": {p} for p in Permission if p in GRANTABLE}
    return {"owner": GRANTABLE, "without-any": set(), **single}


def _signing_in(teammate: Teammate) -> Knock:
    """Signs in again only where the last knock ended the session: signing in is most of what a knock costs."""
    session_id, client = None, None

    def knock() -> Client:
        nonlocal session_id, client
        lately = now() - timedelta(minutes=2)
        if not SessionRecord.objects.filter(id=session_id, ended_at=None, proved_at__gt=lately).exists():
            session_id = start_session(teammate)
            client = browser(session_id)
        return client

    return knock


def _stale(teammate: Teammate) -> Knock:
    """An owner in every respect, whose last proof of a factor is five minutes old."""
    fresh = _signing_in(teammate)

    def knock() -> Client:
        SessionRecord.objects.filter(teammate=teammate).update(proved_at=now())
        client = fresh()
        SessionRecord.objects.filter(teammate=teammate).update(proved_at=now() - timedelta(minutes=5))
        return client

    return knock


def _shut_out(acme: UUID) -> dict[str, Knock]:
    """Each held every permission and a session, until something happened to them."""
    people = {name: hire(acme, name.title()) for name in ("suspended", "factorless", "unenrolled", "revoked", "idle")}
    sessions = {name: start_session(teammate) for name, teammate in people.items()}
    actions.suspend_teammate(system("test"), acme, people["suspended"].id)
    SessionRecord.objects.filter(id=sessions["suspended"]).update(ended_at=None)
    Authenticator.objects.filter(user=people["factorless"]).delete()
    people["unenrolled"].enrolled_at = None
    people["unenrolled"].save()
    actions.revoke_sessions(system("test"), acme, people["revoked"].id)
    SessionRecord.objects.filter(id=sessions["idle"]).update(last_seen_at=now() - timedelta(hours=12))
    names = {
        "suspended": "suspended", "factorless": "without-second-factor", "unenrolled": "not-enrolled",
        "revoked": "revoked-session", "idle": "idle-session",
    }  # fmt: skip
    return {names[name]: _showing(session_id) for name, session_id in sessions.items()}


def _showing(session_id: UUID) -> Knock:
    client = browser(session_id)
    return lambda: client


def _programs(acme: UUID) -> dict[str, Knock]:
    kinds = {
        "write-key": (CredentialKind.WRITE_KEY, ()),
        "revoked-write-key": (CredentialKind.WRITE_KEY, ()),
        "api-token": (CredentialKind.API_TOKEN, GRANTABLE),
        **{f"api-token-{one}": (CredentialKind.API_TOKEN, {one}) for one in sorted(GRANTABLE)},
        "expired-api-token": (CredentialKind.API_TOKEN, GRANTABLE),
        "revoked-api-token": (CredentialKind.API_TOKEN, GRANTABLE),
    }
    found: dict[str, Knock] = {}
    for name, (kind, permissions) in kinds.items():
        made = actions.create_credential(
            system("test"), acme, kind, name=name, permissions=permissions, expires_at=in_future(days=1)
        )
        if name.startswith("expired"):
            Credential.objects.filter(id=made.view.id).update(expires_at=now())
        if name.startswith("revoked"):
            actions.revoke_credential(system("test"), acme, made.view.id)
        found[name] = _bearing(made.secret)
    return found


def _bearing(secret: str) -> Knock:
    client = browser(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return lambda: client
