"""Connections to identity providers, and whom they concern."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from misentinel.kernel.errors import NotFound
from misentinel.teammates.models import Connection, ConnectionDomain
from misentinel.teammates.queries.holding import known_permissions
from misentinel.teammates.sso.contracts import ConnectionKind, ConnectionView
from misentinel.teammates.sso.rules import domain_of


def list_connections(customer_id: UUID) -> list[ConnectionView]:
    """Returns the customer's connections, the oldest first."""
    return [view_connection(row) for row in _connections().filter(customer_id=customer_id).order_by("id")]


def get_connection(customer_id: UUID, connection_id: UUID) -> ConnectionView:
    """Raises `NotFound`, also for another customer's."""
    row = _connections().filter(customer_id=customer_id, id=connection_id).first()
    if row is None:
        raise NotFound("There is no such connection.")
    return view_connection(row)


def find_usable_connection(email: str) -> ConnectionView | None:
    """Returns the connection that lists this address's domain and was tested, whether or not the address is known."""
    row = _connections().filter(listed__domain=domain_of(email), tested_at__isnull=False).first()
    return view_connection(row) if row else None


def find_enforced(email: str) -> Connection | None:
    """Returns the connection that whoever has an address of this domain must come through."""
    found = ConnectionDomain.objects.select_related("connection").filter(
        domain=domain_of(email), connection__enforced=True
    )
    row = found.first()
    return row.connection if row else None


def must_sign_on(email: str, customer_id: UUID, teammate_id: UUID) -> bool:
    """Says whether this teammate may only come in through their company's identity provider.

    A connection binds the teammates of its own customer alone, and not the one who is named to repair it.
    """
    enforced = find_enforced(email)
    return enforced is not None and enforced.customer_id == customer_id and enforced.break_glass_id != teammate_id


def view_connection(row: Connection) -> ConnectionView:
    return ConnectionView(
        id=row.id,
        customer_id=row.customer_id,
        kind=ConnectionKind(row.kind),
        google=row.google,
        name=row.name,
        issuer=row.issuer,
        client_id=row.client_id,
        sign_in_url=row.sign_in_url,
        certificates=tuple(row.certificates),
        own_certificate=row.own_certificate,
        domains=tuple(sorted(listed.domain for listed in row.listed.all())),
        tested_at=row.tested_at,
        enforced=row.enforced,
        break_glass_id=row.break_glass_id,
        just_in_time=row.just_in_time,
        default_permissions=known_permissions(row.default_permissions),
        ceiling=known_permissions(row.ceiling),
    )


def _connections() -> QuerySet[Connection]:
    return Connection.objects.prefetch_related("listed")
