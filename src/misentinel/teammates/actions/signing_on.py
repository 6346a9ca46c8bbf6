"""Signing in through a company's identity provider: begun here, answered once, by the browser that began it.

The provider takes the password's place and never the second factor's: what comes out is somebody half-way in, who must
still show their own factor, or enrol one if they have none yet.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import MiSentinelError, NotFound, NotSignedIn
from misentinel.teammates import second_factor, throttle
from misentinel.teammates.actions.connecting import secret_of
from misentinel.teammates.actions.inviting import LINK_LASTS, end_links
from misentinel.teammates.models import Connection, Enrolment, SeenAssertion, SingleSignOn, Teammate
from misentinel.teammates.queries.connections import find_usable_connection, get_connection
from misentinel.teammates.queries.holding import held_now
from misentinel.teammates.queries.principals import digest_of
from misentinel.teammates.sso import oidc, saml
from misentinel.teammates.sso.contracts import (
    ConnectionKind,
    ConnectionView,
    Identity,
    NotBelieved,
    Onward,
    SignedOn,
)
from misentinel.teammates.sso.rules import listed
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag

LASTS = timedelta(minutes=10)
_COLLECTED_WITHIN = timedelta(minutes=2)
_NONE = "Nobody has set up single sign-on for this e-mail address's domain. Sign in with your password."
_OVER = "This sign-in did not begin here, took too long, or was used already. Start again."
_NOBODY = "Your company knows you, but you are not a teammate here. Ask whoever manages your teammates to invite you."


def begin(actor: Actor, email: str) -> Onward:
    """Begins a sign-in through the connection that lists the address's domain. Whether the address is anybody's plays
    no part. Raises `NotSignedIn` where there is none, `TooMany` for too many that were begun and not finished.
    """
    connection = find_usable_connection(email)
    if connection is None:
        throttle.begin("single sign-on: none", actor.address)
        raise NotSignedIn(_NONE)
    throttle.begin(_tries(connection.id, actor), actor.address)
    return _begin(actor, connection, email=email.strip())


def begin_test(actor: Actor, customer_id: UUID, connection_id: UUID) -> Onward:
    """Begins a sign-in that signs nobody in and shows that the connection works."""
    return _begin(actor, get_connection(customer_id, connection_id), tester=UUID(actor.id))


def answer_oidc(
    actor: Actor, sign_on_id: UUID | None, connection_id: UUID, told: Mapping[str, str], *, tester: str
) -> SignedOn:
    """Takes what the provider sent the browser back with. `sign_on_id` is what the browser's session remembers,
    `tester` who is signed in there. Raises `NotFound` for a sign-in that did not begin there, else `NotBelieved`.
    """
    row = _taken(told.get("state", ""), connection_id, ConnectionKind.OIDC, sign_on_id)
    connection = get_connection(row.connection.customer_id, connection_id)
    try:
        identity = _ask_oidc(connection, row, told)
        return _admit(actor, row, connection, identity, tester)
    except NotBelieved as error:
        _record_refusal(actor, connection, error.reason)
        raise
    except MiSentinelError as error:
        _record_refusal(actor, connection, error.code)
        raise


def answer_saml(actor: Actor, connection_id: UUID, *, state: str, response: str) -> None:
    """Takes an answer that a provider's page posted, and keeps whom it named for the browser that began.

    The post comes from another site, so without our cookies: who posts it means nothing. Raises like `answer_oidc`.
    """
    row = _taken(state, connection_id, ConnectionKind.SAML, None)
    connection = get_connection(row.connection.customer_id, connection_id)
    try:
        asserted = saml.read_answer(connection, response, request_id=_request_id(row))
        _use_up(connection, asserted)
    except NotBelieved as error:
        _record_refusal(actor, connection, error.reason)
        raise
    identity = asserted.identity
    SingleSignOn.objects.filter(id=row.id).update(said=f"{identity.email}\n{identity.name[:120]}"[:300])


def collect_saml(actor: Actor, sign_on_id: UUID | None, connection_id: UUID, *, tester: str) -> SignedOn:
    """Lets the browser that began have what `answer_saml` kept for it, once. Raises like `answer_oidc`."""
    if sign_on_id is None:
        raise NotFound(_OVER)
    with transaction.atomic():
        row = (
            SingleSignOn.objects.select_for_update(of=("self",))
            .select_related("connection")
            .filter(id=sign_on_id, connection_id=connection_id, answered_at__gt=now() - _COLLECTED_WITHIN)
            .exclude(said="")
            .first()
        )
        if row is None:
            raise NotFound(_OVER)
        SingleSignOn.objects.filter(id=row.id).update(said="")
    connection = get_connection(row.connection.customer_id, connection_id)
    email, _, name = row.said.partition("\n")
    try:
        return _admit(actor, row, connection, Identity(email, name, ""), tester)
    except NotBelieved as error:
        _record_refusal(actor, connection, error.reason)
        raise


def forget_sign_ons() -> None:
    """Deletes what no longer serves to decide anything. Safe to repeat."""
    SingleSignOn.objects.filter(expires_at__lt=now() - LASTS).delete()
    SeenAssertion.objects.filter(expires_at__lt=now()).delete()


def _begin(actor: Actor, connection: ConnectionView, *, email: str = "", tester: UUID | None = None) -> Onward:
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    row = SingleSignOn(
        connection_id=connection.id, state=digest_of(state), nonce=nonce, verifier=verifier, tester=tester,
        expires_at=now() + LASTS,
    )  # fmt: skip
    if connection.kind is ConnectionKind.OIDC:
        provider = oidc.discover(connection.issuer)
        url = oidc.sign_in_url(connection, provider, state=state, nonce=nonce, verifier=verifier, email=email)
    else:
        url = saml.sign_in_url(connection, secret_of(connection), request_id=_request_id(row), state=state)
    with transaction.atomic():
        row.save(force_insert=True)
        record_control(
            actor, Tag.SSO_BEGIN, customer_id=connection.customer_id, object_kind="connection",
            object_id=connection.id, details={"sign_on": str(row.id), "test": tester is not None},
        )  # fmt: skip
    return Onward(row.id, url, connection.name)


def _taken(state: str, connection_id: UUID, kind: ConnectionKind, sign_on_id: UUID | None) -> SingleSignOn:
    """Uses up the sign-in that this state stands for, before anything else is looked at: one answer, right or wrong.

    An OIDC answer must come to the very browser that began (`sign_on_id`), or it stays untouched.
    """
    waiting = SingleSignOn.objects.select_related("connection").filter(
        Q(connection_id=connection_id, connection__kind=kind, answered_at=None, expires_at__gt=now())
    )
    row = waiting.filter(state=digest_of(state)).first()
    if row is None or (kind is ConnectionKind.OIDC and row.id != sign_on_id):
        raise NotFound(_OVER)
    if SingleSignOn.objects.filter(id=row.id, answered_at=None).update(answered_at=now()) != 1:
        raise NotFound(_OVER)
    return row


def _ask_oidc(connection: ConnectionView, row: SingleSignOn, told: Mapping[str, str]) -> Identity:
    provider = oidc.discover(connection.issuer)
    issuer = told.get("iss")
    if (issuer is None and provider.names_itself) or issuer not in (None, provider.issuer):
        raise NotBelieved("mixed_up", "This answer came from another sign-in than the one that was asked.")
    if not told.get("code"):
        why = told.get("error", "")[:60]
        said = f" It said “{why}”." if why and why.isprintable() else ""
        raise NotBelieved("declined", f"Your company's sign-in did not let you through.{said}")
    return oidc.identify(
        connection, provider, code=told["code"], secret=secret_of(connection), nonce=row.nonce, verifier=row.verifier
    )


def _use_up(connection: ConnectionView, asserted: saml.Asserted) -> None:
    """Raises `NotBelieved` for an assertion that was taken before, by whichever process."""
    digest = hashlib.sha256(asserted.assertion_id.encode()).digest()
    try:
        with transaction.atomic():
            SeenAssertion.objects.create(connection_id=connection.id, digest=digest, expires_at=asserted.until)
    except IntegrityError:
        raise NotBelieved("replayed", _OVER) from None


def _admit(actor: Actor, row: SingleSignOn, connection: ConnectionView, identity: Identity, tester: str) -> SignedOn:
    if not listed(identity.email, connection.domains):
        raise NotBelieved("domain", "Your company's sign-in named an address outside the domains of this connection.")
    if row.tester is not None:
        return _tested(actor, row, connection, identity, tester)
    with transaction.atomic():
        teammate = _teammate(actor, connection, identity)
        enrolment_id = None if teammate.enrolled_at else _enrolment(teammate, connection)
        acting = Actor(ActorKind.TEAMMATE, str(teammate.id), f"connection:{connection.id}", actor.address,
                       actor.request_id)  # fmt: skip
        record_control(
            acting, Tag.SSO_ANSWER, customer_id=connection.customer_id, object_kind="connection",
            object_id=connection.id, details={"sign_on": str(row.id), "enrols": enrolment_id is not None},
        )  # fmt: skip
        throttle.finish(_tries(connection.id, actor), actor.address)
    return SignedOn(teammate.id, connection.customer_id, teammate.email, enrolment_id)


def _tested(actor: Actor, row: SingleSignOn, connection: ConnectionView, identity: Identity, tester: str) -> SignedOn:
    if not hmac.compare_digest(str(row.tester), tester):
        raise NotBelieved("another_tester", _OVER)
    with transaction.atomic():
        Connection.objects.filter(id=connection.id).update(tested_at=now())
        record_control(
            actor, Tag.SSO_ANSWER, customer_id=connection.customer_id, object_kind="connection",
            object_id=connection.id, details={"sign_on": str(row.id), "test": True},
        )  # fmt: skip
    return SignedOn(UUID(tester), connection.customer_id, identity.email, tested=True)


def _teammate(actor: Actor, connection: ConnectionView, identity: Identity) -> Teammate:
    """The connection's customer's own teammate of this address, made now if the connection says so."""
    found = Teammate.objects.filter(email=identity.email).first()
    if found is None and connection.just_in_time:
        return _join(actor, connection, identity)
    if found is None or found.customer_id != connection.customer_id:
        raise NotBelieved("nobody" if found is None else "another_customer", _NOBODY)
    if found.suspended_at is not None:
        raise NotBelieved("suspended", _NOBODY)
    return found


def _join(actor: Actor, connection: ConnectionView, identity: Identity) -> Teammate:
    name = " ".join(identity.name.split())[:120]
    teammate = Teammate(
        customer_id=connection.customer_id,
        email=identity.email,
        name=name if name.isprintable() and name else identity.email.partition("@")[0],
        permissions=sorted(connection.default_permissions & connection.ceiling),
    )
    teammate.set_unusable_password()
    try:
        with transaction.atomic():
            teammate.save(force_insert=True)
    except IntegrityError:
        raise NotBelieved("nobody", _NOBODY) from None
    acting = Actor(ActorKind.SYSTEM, "single sign-on", f"connection:{connection.id}", actor.address, actor.request_id)
    record_control(
        acting, Tag.TEAMMATE_INVITE, customer_id=connection.customer_id, object_kind="teammate",
        object_id=teammate.id, details={"permissions": teammate.permissions, "joined": True},
        after={"email": teammate.email, "name": teammate.name},
    )  # fmt: skip
    return teammate


def _enrolment(teammate: Teammate, connection: ConnectionView) -> UUID:
    """Opens an enrolment for one without a second factor: no password to choose, the rest as through a link.

    The provider's word alone would then be a way into the account, so it is taken only for what the connection may
    hand out anyway; whoever holds more enrols with the link that a teammate of the same reach made.
    """
    if not held_now(teammate) <= connection.ceiling:
        raise NotBelieved("enrol_first", "Use the enrolment link that you were given the first time, then come back.")
    end_links(teammate)
    teammate.set_unusable_password()
    row = Enrolment.objects.create(
        teammate=teammate, token_digest=digest_of(secrets.token_urlsafe(32)), expires_at=min(now() + LASTS * 3,
        now() + LINK_LASTS), pending_password=teammate.password,
        pending_secret=second_factor.seal_seed(second_factor.new_seed()),
    )  # fmt: skip
    return row.id


def _request_id(row: SingleSignOn) -> str:
    """An XML id must not begin with a digit. The nonce makes it one that nobody could foresee."""
    return f"_{hashlib.sha256(row.nonce.encode()).hexdigest()}"


def _tries(connection_id: UUID, actor: Actor) -> str:
    """Counted per address alone: nobody can use up a whole company's tries."""
    return f"single sign-on: {connection_id} {actor.address}"


def _record_refusal(actor: Actor, connection: ConnectionView, reason: str) -> None:
    record_control(
        actor, Tag.SSO_ANSWER, customer_id=connection.customer_id, outcome=Outcome.REFUSED,
        object_kind="connection", object_id=connection.id, details={"reason": reason},
    )  # fmt: skip
