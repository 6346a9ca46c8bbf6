"""A customer's own keys: the one that wraps people's, and the one that makes tokens."""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from django.db import connections

from misentinel.kernel.errors import Erased, NotFound
from misentinel.vault import rules
from misentinel.vault.contracts import Tokens
from misentinel.vault.models import CustomerKey, TokenKey
from misentinel.vault.ports import root_key
from misentinel.vault.queries import held

ATTEMPTS = 5
"""How often a read starts again because a rotation retired a version between two statements."""


def tokens(customer_id: UUID) -> Tokens:
    """Returns the customer's tokens. Raises `NotFound` for a customer without keys, `Erased` once they are gone."""
    known = held.token_keys.get(customer_id)
    if known is not None:
        return known
    rows = TokenKey.objects.using("vault").filter(customer_id=customer_id, wrapped__isnull=False)
    for _ in range(ATTEMPTS):
        ticket = held.token_keys.ticket()
        row = rows.values_list("wrapped", "key_version").first()
        if row is None or row[0] is None:
            break
        cipher = customer_cipher(customer_id, row[1])
        if cipher is not None:
            made = Tokens(customer_id, cipher.open(token_associated(customer_id, row[1]), row[0]))
            held.token_keys.keep_many({customer_id: made}, ticket)
            return made
    return refuse_keyless(customer_id)


def customer_cipher(customer_id: UUID, version: int, wrapped: bytes | memoryview | None = None) -> rules.Cipher | None:
    """Returns the cipher of one version of a customer's key, or None if it is retired or never was.

    `wrapped` saves the query where the row has just been read.
    """
    known = held.customers.get((customer_id, version))
    if known is not None:
        return known
    ticket = held.customers.ticket()
    if wrapped is None:
        rows = CustomerKey.objects.using("vault").filter(customer_id=customer_id, version=version)
        wrapped = rows.values_list("wrapped", flat=True).first()
    if wrapped is None:
        return None
    cipher = rules.Cipher(root_key().unwrap(bytes(wrapped), customer_context(customer_id, version)))
    held.customers.keep_many({(customer_id, version): cipher}, ticket)
    return cipher


def customer_context(customer_id: UUID, version: int) -> dict[str, str]:
    return {"purpose": "customer key", "customer": str(customer_id), "version": str(version)}


def token_associated(customer_id: UUID, version: int) -> bytes:
    return rules.framed("token key", str(customer_id), str(version))


def refuse_keyless(customer_id: UUID) -> NoReturn:
    """Raises `Erased` if the customer's keys were destroyed, `NotFound` if there never were any."""
    if CustomerKey.objects.using("vault").filter(customer_id=customer_id).exists():
        raise Erased(f"The keys of customer {customer_id} were destroyed; nothing of theirs can be opened again.")
    raise NotFound(f"The vault has no keys for customer {customer_id}.")


def hold_customer(customer_id: UUID) -> None:
    """Within a transaction: keeps `shred_customer` and the end of a rotation waiting until it commits.

    Whoever locks people's rows does this first, so that the two never wait for each other.
    """
    with connections["vault"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM vault_customerkey WHERE customer_id = %s FOR SHARE", [customer_id])
