"""Setting up single sign-on. What identifies a provider changes only while nobody is forced through it, and whoever
changes it holds all that the connection may hand out: it is a way to those permissions.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.kernel import outgoing, settings
from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.teammates import rules
from misentinel.teammates.actions.inviting import held_by
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import Connection, ConnectionDomain, SingleSignOn, Teammate
from misentinel.teammates.queries.connections import get_connection, view_connection
from misentinel.teammates.queries.holding import held_for_good, known_permissions
from misentinel.teammates.sso import oidc, saml
from misentinel.teammates.sso.contracts import GOOGLE_ISSUER, ConnectionKind, ConnectionView
from misentinel.teammates.sso.rules import parse_certificates, parse_domains
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag
from misentinel.vault.queries import open_secret, seal_secret

_PURPOSE = "single sign-on"
_REPAIRS = frozenset({Permission.SECURITY_SETTINGS, Permission.TEAMMATES})


def add_oidc(
    actor: Actor, customer_id: UUID, *, name: str, domains: str, client_id: str, secret: str, issuer: str = "",
    google: bool = False,
) -> ConnectionView:  # fmt: skip
    """Connects an OpenID Connect provider; with `google`, Google Workspace, whose issuer is known.

    Its published configuration is read at once. Raises `Invalid` for what does not work, `Conflict` for a domain that
    a connection lists already.
    """
    issuer = GOOGLE_ISSUER if google else _clean_url(issuer, "issuer")
    oidc.discover(issuer)
    row = Connection(
        customer_id=customer_id, kind=ConnectionKind.OIDC, google=google, name=_clean(name, "name", 60),
        issuer=issuer, client_id=_clean(client_id, "client id", 255),
    )  # fmt: skip
    row.secret = _sealed(row, _clean(secret, "client secret", 500))
    return _add(actor, row, domains)


def add_saml(
    actor: Actor, customer_id: UUID, *, name: str, domains: str, entity_id: str, sign_in_url: str, certificates: str
) -> ConnectionView:
    """Connects a SAML provider and makes the key that signs our requests to it. Raises like `add_oidc`."""
    row = Connection(
        customer_id=customer_id, kind=ConnectionKind.SAML, name=_clean(name, "name", 60),
        issuer=_clean(entity_id, "entity id", 500), sign_in_url=_clean_url(sign_in_url, "sign-in address"),
        certificates=list(parse_certificates(certificates)),
    )  # fmt: skip
    private, row.own_certificate = saml.new_key_pair("MiSentinel")
    row.secret = _sealed(row, private.decode())
    return _add(actor, row, domains)


def edit_oidc(
    actor: Actor, customer_id: UUID, connection_id: UUID, *, name: str, domains: str, client_id: str,
    issuer: str = "", secret: str = "",
) -> ConnectionView:  # fmt: skip
    """An empty secret keeps the one there is. The connection has to be tested again. Raises like `add_oidc`."""
    before = get_connection(customer_id, connection_id)
    issuer = GOOGLE_ISSUER if before.google else _clean_url(issuer, "issuer")
    oidc.discover(issuer)
    with transaction.atomic():
        row = _changing(actor, customer_id, connection_id, ConnectionKind.OIDC)
        row.name, row.issuer = _clean(name, "name", 60), issuer
        row.client_id = _clean(client_id, "client id", 255)
        if secret:
            row.secret = _sealed(row, _clean(secret, "client secret", 500))
        return _save(actor, row, domains)


def edit_saml(
    actor: Actor, customer_id: UUID, connection_id: UUID, *, name: str, domains: str, entity_id: str,
    sign_in_url: str, certificates: str,
) -> ConnectionView:  # fmt: skip
    """The connection has to be tested again. Raises like `add_oidc`."""
    found = list(parse_certificates(certificates))
    with transaction.atomic():
        row = _changing(actor, customer_id, connection_id, ConnectionKind.SAML)
        row.name, row.issuer = _clean(name, "name", 60), _clean(entity_id, "entity id", 500)
        row.sign_in_url, row.certificates = _clean_url(sign_in_url, "sign-in address"), found
        return _save(actor, row, domains)


def set_joining(
    actor: Actor, customer_id: UUID, connection_id: UUID, *, just_in_time: bool,
    default_permissions: Iterable[Permission], ceiling: Iterable[Permission],
) -> ConnectionView:  # fmt: skip
    """Says who may join through the provider, with which permissions, and what it may hand out at the most.

    Raises `Refused` for a ceiling with what the actor does not hold, `Invalid` for defaults beyond the ceiling.
    """
    wanted, most = frozenset(default_permissions), frozenset(ceiling)
    if wanted - most:
        raise Invalid("Whoever joins would get more than the connection may give. Raise its limit first.")
    with transaction.atomic():
        row = _locked(customer_id, connection_id)
        rules.require_grantable(held_by(actor, customer_id), known_permissions(row.ceiling), most)
        require_reach(actor, row)
        row.just_in_time, row.default_permissions, row.ceiling = just_in_time, sorted(wanted), sorted(most)
        row.save(update_fields=["just_in_time", "default_permissions", "ceiling"])
        _record(actor, row, {"just_in_time": just_in_time, "default": sorted(wanted), "ceiling": sorted(most)})
        return view_connection(row)


def enforce(actor: Actor, customer_id: UUID, connection_id: UUID, *, break_glass_id: UUID) -> ConnectionView:
    """From now on the customer's teammates with an address of the connection's domains come in through it alone, but
    for one, who can repair it. Raises `Conflict` before a successful test, `Invalid` for one who could not repair it.
    """
    with transaction.atomic():
        row = _locked(customer_id, connection_id)
        if row.tested_at is None:
            raise Conflict("Test the connection first: sign in through it once.")
        keeper = Teammate.objects.select_for_update().filter(id=break_glass_id, customer_id=customer_id).first()
        if keeper is None or not keeper.may_sign_in or not held_for_good(keeper) >= _REPAIRS:
            raise Invalid("Name an enrolled teammate who holds “Security settings” and “Teammates and permissions”.")
        row.enforced, row.break_glass = True, keeper
        row.save(update_fields=["enforced", "break_glass"])
        _record(actor, row, {"enforced": True, "break_glass": str(keeper.id)})
        return view_connection(row)


def stop_enforcing(actor: Actor, customer_id: UUID, connection_id: UUID) -> ConnectionView:
    """Lets passwords in again beside the connection."""
    with transaction.atomic():
        row = _locked(customer_id, connection_id)
        row.enforced, row.break_glass = False, None
        row.save(update_fields=["enforced", "break_glass"])
        _record(actor, row, {"enforced": False})
        return view_connection(row)


def delete_connection(actor: Actor, customer_id: UUID, connection_id: UUID) -> None:
    """Forgets the connection, its domains and its secret. Teammates stay, and sign in with their passwords."""
    with transaction.atomic():
        row = _locked(customer_id, connection_id)
        record_control(
            actor, Tag.SSO_DELETE, customer_id=customer_id, object_kind="connection", object_id=row.id,
            details={"kind": row.kind, "enforced": row.enforced},
        )  # fmt: skip
        row.delete()


def secret_of(connection: ConnectionView) -> str:
    """Returns the client secret, or the private key in PEM."""
    row = Connection.objects.only("secret").get(id=connection.id)
    return open_secret(_PURPOSE, row.secret, str(connection.id)).decode()


def require_reach(actor: Actor, row: Connection) -> None:
    """Raises `Refused` unless the actor holds all that the connection may hand out."""
    held, ceiling = held_by(actor, row.customer_id), known_permissions(row.ceiling)
    if held is not None and not ceiling <= held:
        raise Refused("This connection may hand out more than you hold, so you cannot change it.")


def _add(actor: Actor, row: Connection, domains: str) -> ConnectionView:
    with transaction.atomic():
        held_by(actor, row.customer_id)
        row.save(force_insert=True)
        return _save(actor, row, domains)


def _changing(actor: Actor, customer_id: UUID, connection_id: UUID, kind: ConnectionKind) -> Connection:
    row = _locked(customer_id, connection_id)
    if row.kind != kind:
        raise NotFound("There is no such connection.")
    if row.enforced:
        raise Conflict("Nobody could come in if this went wrong. Stop enforcing it first, change it, and test it.")
    require_reach(actor, row)
    return row


def _save(actor: Actor, row: Connection, domains: str) -> ConnectionView:
    """Whatever was tested before was another connection, and whoever is on their way began with that one."""
    wanted = parse_domains(domains)
    row.tested_at = None
    row.save()
    SingleSignOn.objects.filter(connection=row).delete()
    row.listed.all().delete()
    try:
        with transaction.atomic():
            ConnectionDomain.objects.bulk_create(ConnectionDomain(domain=one, connection=row) for one in wanted)
    except IntegrityError:
        raise Conflict("Another connection lists one of these domains already; a domain belongs to one.") from None
    _record(actor, row, {"kind": row.kind, "domains": len(wanted)})
    return get_connection(row.customer_id, row.id)


def _locked(customer_id: UUID, connection_id: UUID) -> Connection:
    row = Connection.objects.select_for_update(of=("self",)).filter(id=connection_id, customer_id=customer_id).first()
    if row is None:
        raise NotFound("There is no such connection.")
    return row


def _record(actor: Actor, row: Connection, details: dict[str, object]) -> None:
    record_control(
        actor, Tag.SSO_EDIT, customer_id=row.customer_id, object_kind="connection", object_id=row.id, details=details,
        after={"name": row.name, "issuer": row.issuer, "domains": sorted(one.domain for one in row.listed.all())},
    )  # fmt: skip


def _sealed(row: Connection, secret: str) -> bytes:
    return seal_secret(_PURPOSE, secret.encode(), str(row.id))


def _clean(text: str, what: str, longest: int) -> str:
    text = text.strip()
    if not text or len(text) > longest or not text.isprintable():
        raise Invalid(f"The {what} has 1 to {longest} printable characters.")
    return text


def _clean_url(url: str, what: str) -> str:
    """A URL that a browser is sent to or that we call. What is called is looked at again each time."""
    url = _clean(url, what, 500)
    hosts = [host.strip() for host in settings.load().outgoing_private_hosts.split(",")]
    outgoing.parse_url(url, hosts)
    if any(sign in url for sign in "<>\"'`"):
        raise Invalid(f"The {what} holds a character that no URL holds.")
    return url
