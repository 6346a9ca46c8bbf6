"""Changes to customers: created with a store, edited, closed for good. Each leaves an entry on the platform log."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.customers.contracts import Customer
from misentinel.customers.models import CustomerRow
from misentinel.customers.queries import get_customer, view
from misentinel.customers.rules import clean_name, clean_sender, clean_slug, clean_time_zone, slug_of
from misentinel.kernel.actor import Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, NotFound
from misentinel.store import provisioning
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag
from misentinel.trail.shipping.actions import forget_sinks
from misentinel.vault import actions as vault


def create_customer(
    actor: Actor, name: str, *, slug: str = "", time_zone: str = "Europe/London", cluster: str = ""
) -> Customer:
    """Creates a customer with key, role and database; nothing is left behind if a step fails.

    Raises `Invalid` for a bad name, `Conflict` if the short name is taken.
    """
    name = clean_name(name)
    slug = clean_slug(slug or slug_of(name))
    time_zone = clean_time_zone(time_zone)
    try:
        row = CustomerRow.objects.create(name=name, slug=slug, time_zone=time_zone)
    except IntegrityError:
        raise Conflict(f"There is a customer with the short name {slug} already; choose another with --slug.") from None
    try:
        provisioning.provision(row.id, cluster)
    except BaseException:
        row.delete()
        raise
    record_control(actor, Tag.CUSTOMER_CREATE, customer_id=row.id, object_kind="customer", object_id=row.id)
    return view(row)


def edit_customer(actor: Actor, customer_id: UUID, *, name: str, time_zone: str, mail_from: str = "") -> Customer:
    """Changes what a customer is called, its time zone and the sender of its messages."""
    with transaction.atomic():
        row = CustomerRow.objects.select_for_update().filter(id=customer_id, closed_at=None).first()
        if row is None:
            raise NotFound("There is no such customer.")
        before = {"name": row.name, "time_zone": row.time_zone, "mail_from": row.mail_from}
        row.name, row.time_zone = clean_name(name), clean_time_zone(time_zone)
        row.mail_from = clean_sender(mail_from)
        row.save()
        after = {"name": row.name, "time_zone": row.time_zone, "mail_from": row.mail_from}
        record_control(
            actor, Tag.CUSTOMER_EDIT, customer_id=row.id, object_kind="customer", object_id=row.id,
            details={"fields": sorted(k for k in after if after[k] != before[k])}, before=before, after=after,
        )  # fmt: skip
    return view(row)


def close_customer(actor: Actor, customer_id: UUID) -> None:
    """Ends a customer for good: its database is dropped and its keys are shredded. Only the platform log remains.

    Calling it again finishes what was cut off. Raises `Conflict` when there is nothing left to end.
    """
    customer = get_customer(customer_id)
    if customer.closed_at is None:
        _mark_closed(actor, customer)
    try:
        provisioning.destroy(customer_id)
    except NotFound:
        raise Conflict(f"{customer.name} is closed already.") from None


def _mark_closed(actor: Actor, customer: Customer) -> None:
    with transaction.atomic():
        CustomerRow.objects.filter(id=customer.id).update(closed_at=now())
        forget_sinks(customer.id)
        details = {"slug": customer.slug}
        record_control(actor, Tag.CUSTOMER_CLOSE, object_kind="customer", object_id=customer.id, details=details)


def rotate_key(actor: Actor, name_or_id: str, progress: Callable[[int, int], None]) -> int:
    """Gives a customer a new key, wraps its people's keys anew and returns the version. Resumes when called again."""
    customer = get_customer(name_or_id)
    if customer.closed_at is not None:
        raise Conflict(f"{customer.name} is closed; its keys are destroyed.")
    version = vault.rotate_customer_key(customer.id, progress=progress)
    record_control(
        actor, Tag.CUSTOMER_KEY_ROTATE, customer_id=customer.id, object_kind="customer", object_id=customer.id,
        details={"version": version},
    )  # fmt: skip
    return version
