"""Everyone who may knock: each makes its own client, ready to send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db.models import F
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.clock import in_future, now
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Connection, Credential, Grant, Role, SessionRecord, Teammate
from misentinel.teammates.roles import shipped_roles
from tests.cast import browser, hire, join_staff, let_in, start_session

Knock = Callable[[], Client]
OWN_ROLE = frozenset({Permission.REPORTS, Permission.TRAIL})
FOR_A_TIME = Permission.USER_DATA


def everyone(acme: UUID, bolt: UUID) -> dict[str, Knock]:
    """Principals by name. Calling one gives a client; a teammate's has a session that nothing before has ended."""
    found: dict[str, Knock] = {"anonymous": browser}
    for name, permissions in _teammates().items():
        found[name] = _signing_in(hire(acme, name.title(), permissions))
    for name, teammate in _by_role(acme).items():
        found[name] = _signing_in(teammate)
    found |= _for_a_time(acme)
    found["stale-step-up"] = _stale(hire(acme, "Stale"))
    found["other-owner"] = _signing_in(hire(bolt, "Mallory"))
    found |= _shut_out(acme) | _programs(acme) | _operators(acme)
    return found


def _teammates() -> dict[str, set[Permission] | frozenset[Permission]]:
    single = {f"only-{p.value}": {p} for p in Permission if p in GRANTABLE}
    return {"owner": GRANTABLE, "without-any": set(), **single}


def holders(permission: Permission, *, fresh: bool) -> set[str]:
    """Which teammates the console lets in where `permission` is needed, by nothing but what each was given."""
    names = {name for name, held in _teammates().items() if permission in held} | {"other-owner"}
    names |= {f"role-{key}" for key, role in shipped_roles().items() if permission in role.permissions}
    names |= {"own-role"} if permission in OWN_ROLE else set()
    names |= {"granted-for-a-time"} if permission is FOR_A_TIME else set()
    return names if fresh else names | {"stale-step-up"}


def crowd() -> set[str]:
    """Every teammate who can sign in."""
    roles = {f"role-{key}" for key in shipped_roles()}
    return {*_teammates(), *roles, "own-role", "granted-for-a-time", "grant-ran-out", "other-owner", "stale-step-up"}


def _by_role(acme: UUID) -> dict[str, Teammate]:
    """One with each shipped role, and one with a role of the customer's own; none holds a single permission beside."""
    found = {f"role-{key}": hire(acme, f"Role {key}", ()) for key in shipped_roles()}
    for key in shipped_roles():
        found[f"role-{key}"].shipped_role = key
    found["own-role"] = hire(acme, "Own role", ())
    found["own-role"].role = Role.objects.create(customer_id=acme, title="Own", permissions=sorted(OWN_ROLE))
    for teammate in found.values():
        teammate.save()
    return found


def _for_a_time(acme: UUID) -> dict[str, Knock]:
    """One permission that still counts, and every permission there is, until a moment ago."""
    lucky, late = hire(acme, "Granted for a time", ()), hire(acme, "Grant ran out", ())
    given = {"reason": "Holiday cover", "given_by": "system"}
    Grant.objects.create(teammate=lucky, permission=FOR_A_TIME, expires_at=in_future(days=1), **given)
    for permission in GRANTABLE:
        Grant.objects.create(teammate=late, permission=permission, expires_at=now(), **given)
    return {"granted-for-a-time": _signing_in(lucky), "grant-ran-out": _signing_in(late)}


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


_HAPPENED = {
    "suspended": "suspended", "factorless": "without-second-factor", "unenrolled": "not-enrolled",
    "revoked": "revoked-session", "idle": "idle-session", "expired": "expired-session", "turned": "old-cookie",
}  # fmt: skip


def _operators(acme: UUID) -> dict[str, Knock]:
    """The operator's staff: one whom Acme let in for all that it can give, and one whom nobody let in."""
    olga = join_staff("Olga")
    access, knocking = let_in(olga, hire(acme, "Giver")), _signing_in(olga)

    def inside() -> Client:
        client = knocking()
        now_in = SessionRecord.objects.filter(teammate=olga, ended_at=None).order_by("started_at", "id").last()
        if now_in is None or now_in.inside_id != access:  # a new session, where the last proof grew old
            assert client.post(f"/operator/accesses/{access}/enter", secure=True).status_code == 302
        return client

    return {"operator-with-grant": inside, "operator-without-grant": _signing_in(join_staff("Otto"))}


def _shut_out(acme: UUID) -> dict[str, Knock]:
    """Each held every permission and a session, until something happened to them."""
    people = {name: hire(acme, name.title()) for name in _HAPPENED}
    sessions = {name: start_session(teammate) for name, teammate in people.items()}
    actions.suspend_teammate(system("test"), acme, people["suspended"].id)
    SessionRecord.objects.filter(id=sessions["suspended"]).update(ended_at=None)
    Authenticator.objects.filter(user=people["factorless"]).delete()
    people["unenrolled"].enrolled_at = None
    people["unenrolled"].save()
    actions.revoke_sessions(system("test"), acme, people["revoked"].id)
    SessionRecord.objects.filter(id=sessions["idle"]).update(last_seen_at=now() - timedelta(hours=12))
    SessionRecord.objects.filter(id=sessions["expired"]).update(expires_at=now())
    SessionRecord.objects.filter(id=sessions["turned"]).update(turn=F("turn") + 1)
    return {_HAPPENED[name]: _showing(session_id) for name, session_id in sessions.items()}


def _showing(session_id: UUID) -> Knock:
    client = browser(session_id)
    return lambda: client


def _programs(acme: UUID) -> dict[str, Knock]:
    kinds = {
        "write-key": (CredentialKind.WRITE_KEY, ()),
        "provisioning-key": (CredentialKind.PROVISIONING_KEY, ()),
        "revoked-write-key": (CredentialKind.WRITE_KEY, ()),
        "api-token": (CredentialKind.API_TOKEN, GRANTABLE),
        **{f"api-token-{one}": (CredentialKind.API_TOKEN, {one}) for one in sorted(GRANTABLE)},
        "read-only-api-token": (CredentialKind.API_TOKEN, GRANTABLE),
        "unsigned-api-token": (CredentialKind.API_TOKEN, GRANTABLE),
        "expired-api-token": (CredentialKind.API_TOKEN, GRANTABLE),
        "revoked-api-token": (CredentialKind.API_TOKEN, GRANTABLE),
    }
    connection = Connection.objects.create(customer_id=acme, kind="saml", name="Directory", issuer="x", secret=b"")
    found: dict[str, Knock] = {}
    for name, (kind, permissions) in kinds.items():
        made = actions.create_credential(
            system("test"),
            acme,
            kind,
            name=name,
            permissions=permissions,
            expires_at=in_future(days=1),
            read_only=name.startswith("read-only"),
            connection_id=connection.id if kind is CredentialKind.PROVISIONING_KEY else None,
        )
        if name.startswith("expired"):
            Credential.objects.filter(id=made.view.id).update(expires_at=now())
        if name.startswith("unsigned"):
            signing_key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
            Credential.objects.filter(id=made.view.id).update(signing_key=signing_key)
        if name.startswith("revoked"):
            actions.revoke_credential(system("test"), acme, made.view.id)
        found[name] = _bearing(made.secret)
    return found


def _bearing(secret: str) -> Knock:
    client = browser(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return lambda: client
