"""Rotating a customer's key: a new version is made, every key beneath it is wrapped again, the old one is destroyed.

Nothing that a person's key sealed is touched. It may stop anywhere and be started again: the next call finds two live
versions and goes on. Minting, reading and shredding go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import connections, transaction

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Erased, Tampered
from misentinel.vault import rules
from misentinel.vault.models import CustomerKey, PersonKey, TokenKey
from misentinel.vault.ports import root_key
from misentinel.vault.queries import held
from misentinel.vault.queries.customers import (
    customer_cipher,
    customer_context,
    hold_customer,
    refuse_keyless,
    token_associated,
)
from misentinel.vault.queries.people import person_associated

Progress = Callable[[int, int], None]


def rotate_customer_key(customer_id: UUID, *, progress: Progress | None = None, batch: int = 1_000) -> int:
    """Returns the new version, once no older one is left. `progress` is told (done, total) after every batch.

    Raises `Erased` or `NotFound` if the customer has no key.
    """
    version = _begin(customer_id)
    cipher = _cipher(customer_id, version)
    total = _left(customer_id, version)
    done = 0
    while True:
        after = UUID(int=0)
        while True:
            wrapped, after = _rewrap_people(customer_id, version, cipher, after, batch)
            if not wrapped:
                break
            done += wrapped
            if progress is not None:
                progress(done, max(done, total))
        _rewrap_tokens(customer_id, version, cipher)
        if _retire_older(customer_id, version):
            return version


def _begin(customer_id: UUID) -> int:
    """Makes the next version, unless a rotation that did not finish has made it already."""
    live = CustomerKey.objects.using("vault").filter(customer_id=customer_id, wrapped__isnull=False)
    with transaction.atomic(using="vault"):
        list(live.select_for_update().order_by("version"))
        # Read again: what was waited for may have added a version that the locking statement could not see.
        versions = sorted(live.values_list("version", flat=True))
        if not versions:
            refuse_keyless(customer_id)
        if len(versions) > 1:
            return versions[-1]
        version = versions[-1] + 1
        CustomerKey.objects.using("vault").create(
            customer_id=customer_id,
            version=version,
            wrapped=root_key().wrap(rules.new_key(), customer_context(customer_id, version)),
            created_at=now(),
        )
    return version


def _left(customer_id: UUID, version: int) -> int:
    return (
        PersonKey.objects.using("vault")
        .filter(customer_id=customer_id, key_version__lt=version, wrapped__isnull=False)
        .count()
    )


def _rewrap_people(customer_id: UUID, version: int, cipher: rules.Cipher, after: UUID, batch: int) -> tuple[int, UUID]:
    """Wraps the next `batch` keys again, in one transaction. Returns how many, and the last person's id."""
    with transaction.atomic(using="vault"), connections["vault"].cursor() as cursor:
        hold_customer(customer_id)
        cursor.execute(
            "SELECT person_id, wrapped, key_version FROM vault_personkey"
            " WHERE customer_id = %s AND person_id > %s AND key_version < %s AND wrapped IS NOT NULL"
            " ORDER BY person_id LIMIT %s FOR UPDATE",
            [customer_id, after, version, batch],
        )
        rows = cursor.fetchall()
        if not rows:
            return 0, after
        ids = [row[0] for row in rows]
        again = [
            cipher.seal(
                person_associated(customer_id, person_id, version),
                _cipher(customer_id, old).open(person_associated(customer_id, person_id, old), wrapped),
            )
            for person_id, wrapped, old in rows
        ]
        cursor.execute(
            "UPDATE vault_personkey AS kept SET wrapped = again.wrapped, key_version = %s"
            " FROM unnest(%s::uuid[], %s::bytea[]) AS again (person_id, wrapped)"
            " WHERE kept.customer_id = %s AND kept.person_id = again.person_id AND kept.wrapped IS NOT NULL",
            [version, ids, again, customer_id],
        )
    return len(rows), ids[-1]


def _rewrap_tokens(customer_id: UUID, version: int, cipher: rules.Cipher) -> None:
    rows = TokenKey.objects.using("vault").filter(
        customer_id=customer_id, key_version__lt=version, wrapped__isnull=False
    )
    with transaction.atomic(using="vault"):
        row = rows.select_for_update().first()
        if row is None:
            return
        old = _cipher(customer_id, row.key_version)
        key = old.open(token_associated(customer_id, row.key_version), bytes(row.wrapped or b""))
        row.wrapped, row.key_version = cipher.seal(token_associated(customer_id, version), key), version
        row.save(using="vault", update_fields=["wrapped", "key_version"])


def _retire_older(customer_id: UUID, version: int) -> bool:
    """Destroys the older versions if nothing is wrapped by them any more; says whether it did.

    The lock waits for minters who hold an older version, so the count that follows sees what they inserted.
    """
    older = CustomerKey.objects.using("vault").filter(
        customer_id=customer_id, version__lt=version, wrapped__isnull=False
    )
    with transaction.atomic(using="vault"):
        list(older.select_for_update().order_by("version"))
        if _left(customer_id, version):
            return False
        older.update(wrapped=None, destroyed_at=now())
    held.customers.drop(lambda key: key[0] == customer_id and key[1] < version)
    return True


def _cipher(customer_id: UUID, version: int) -> rules.Cipher:
    cipher = customer_cipher(customer_id, version)
    if cipher is None:
        keys = CustomerKey.objects.using("vault").filter(customer_id=customer_id)
        if keys.exists() and not keys.filter(wrapped__isnull=False).exists():  # shredded meanwhile by somebody else
            raise Erased("The keys of this customer are destroyed.")
        raise Tampered(f"The vault names version {version} of a key of customer {customer_id} and does not have it.")
    return cipher
