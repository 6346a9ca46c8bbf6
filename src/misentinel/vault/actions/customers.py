"""A customer's keys come with the customer, and go with them."""

from __future__ import annotations

from uuid import UUID

from django.db import connections, transaction

from misentinel.kernel.clock import in_future, now
from misentinel.kernel.errors import NotFound
from misentinel.vault import rules
from misentinel.vault.contracts import CACHE_SECONDS, Tombstone
from misentinel.vault.models import CustomerKey, TokenKey
from misentinel.vault.ports import root_key
from misentinel.vault.queries import held
from misentinel.vault.queries.customers import customer_context, refuse_keyless, token_associated


def create_customer_key(customer_id: UUID) -> None:
    """Makes the customer's key and the one for tokens. Does nothing if they are there already.

    Raises `Erased` if they were destroyed: an id is not used twice.
    """
    key, token_key, at = rules.new_key(), rules.new_key(), now()
    wrapped = root_key().wrap(key, customer_context(customer_id, 1))
    with transaction.atomic(using="vault"):
        with connections["vault"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO vault_customerkey (customer_id, version, wrapped, created_at)"
                " VALUES (%s, 1, %s, %s) ON CONFLICT DO NOTHING",
                [customer_id, wrapped, at],
            )
            made = cursor.rowcount == 1
        if made:
            TokenKey.objects.using("vault").create(
                customer_id=customer_id,
                wrapped=rules.Cipher(key).seal(token_associated(customer_id, 1), token_key),
                key_version=1,
                created_at=at,
            )
    live = CustomerKey.objects.using("vault").filter(customer_id=customer_id, wrapped__isnull=False)
    if not made and not live.exists():
        refuse_keyless(customer_id)


def shred_customer(customer_id: UUID) -> Tombstone:
    """Destroys every key of a customer, in one transaction. Doing it again changes nothing.

    Other processes may hold keys until `gone_everywhere_at`. Raises `NotFound` if there never were any.
    """
    at = now()
    with transaction.atomic(using="vault", durable=True):
        keys = CustomerKey.objects.using("vault").filter(customer_id=customer_id)
        # The lock waits for those who are minting under this key, and they find none once it is released.
        versions = list(keys.select_for_update().order_by("version"))
        if not versions:
            raise NotFound(f"The vault has no keys for customer {customer_id}.")
        if all(key.wrapped is None for key in versions):
            at = max(key.destroyed_at for key in versions if key.destroyed_at)
        keys.filter(wrapped__isnull=False).update(wrapped=None, destroyed_at=at)
        with connections["vault"].cursor() as cursor:
            for statement in _DESTROY:
                cursor.execute(statement, [at, customer_id])
    held.drop_customer(customer_id)
    return Tombstone(customer_id, None, at, in_future(seconds=CACHE_SECONDS))


_DESTROY = (
    "UPDATE vault_tokenkey SET wrapped = NULL, destroyed_at = %s WHERE customer_id = %s AND wrapped IS NOT NULL",
    "UPDATE vault_personkey SET wrapped = NULL, destroyed_at = %s WHERE customer_id = %s AND wrapped IS NOT NULL",
)
