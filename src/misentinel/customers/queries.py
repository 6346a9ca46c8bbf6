"""Finding customers by id or short name, and listing them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from misentinel.customers.contracts import Customer
from misentinel.customers.models import CustomerRow
from misentinel.kernel.errors import NotFound
from misentinel.kernel.ids import parse_id


def get_customer(name_or_id: str | UUID) -> Customer:
    """Returns the customer with this id or short name. Raises `NotFound`."""
    found = find_customer(name_or_id)
    if found is None:
        raise NotFound(f"There is no customer {name_or_id}; `misentinel customer list` shows them all.")
    return found


def find_customer(name_or_id: str | UUID) -> Customer | None:
    customer_id = name_or_id if isinstance(name_or_id, UUID) else parse_id(name_or_id)
    row = (
        CustomerRow.objects.filter(id=customer_id).first()
        if customer_id
        else CustomerRow.objects.filter(slug=name_or_id).first()
    )
    return view(row) if row else None


def list_customers(*, closed: bool = False, after: str = "", limit: int = 100) -> list[Customer]:
    """Customers by short name, from the one after `after`; closed ones only when asked for."""
    rows = CustomerRow.objects.filter(slug__gt=after).order_by("slug")
    if not closed:
        rows = rows.filter(closed_at=None)
    return [view(row) for row in rows[:limit]]


def search_customers(text: str = "", *, limit: int = 50) -> list[Customer]:
    """Open customers whose name or short name holds `text`, by name."""
    rows = CustomerRow.objects.filter(closed_at=None).filter(Q(name__icontains=text) | Q(slug__icontains=text))
    return [view(row) for row in rows.order_by("name", "slug")[:limit]]


def view(row: CustomerRow) -> Customer:
    return Customer(row.id, row.name, row.slug, row.time_zone, row.mail_from, row.created_at, row.closed_at)
