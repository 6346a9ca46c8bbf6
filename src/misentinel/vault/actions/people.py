"""A person's key is minted once and destroyed once; between the two lies everything known about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connections, transaction

from misentinel.kernel.clock import in_future, now
from misentinel.kernel.errors import Erased, Unavailable
from misentinel.vault import rules
from misentinel.vault.contracts import CACHE_SECONDS, PersonKey, Tombstone
from misentinel.vault.models import CustomerKey
from misentinel.vault.queries import held, person_keys
from misentinel.vault.queries.customers import ATTEMPTS, customer_cipher, hold_customer, refuse_keyless
from misentinel.vault.queries.people import held_person_keys, person_associated


def mint_person_keys(customer_id: UUID, person_ids: Iterable[UUID]) -> dict[UUID, PersonKey]:
    """Returns a key for each person, making those that are missing with one insert.

    Raises `Erased`, naming them in `details["person_ids"]`, if any was erased; the others have their keys all the same.
    Raises `Erased` or `NotFound` if the customer has no key. Concurrent minters agree on one key.
    Not inside another transaction on the vault, which could roll the keys back under what they sealed.
    """
    wanted = dict.fromkeys(person_ids)
    found = held_person_keys(customer_id, wanted)
    # In one order, so that two batches with the same people wait for each other instead of deadlocking.
    missing = sorted(person_id for person_id in wanted if person_id not in found)
    if missing:
        found.update(_insert(customer_id, missing))
    rest = [person_id for person_id in missing if person_id not in found]
    if rest:
        found.update(person_keys(customer_id, rest))
    erased = [person_id for person_id in rest if person_id not in found]
    if erased:
        raise Erased(
            f"{len(erased)} of {len(wanted)} people were erased and can have no key again.",
            person_ids=erased,
        )
    return found


def shred_person(customer_id: UUID, person_id: UUID) -> Tombstone:
    """Destroys a person's key for good; works also if they never had one. Doing it again changes nothing."""
    return shred_people(customer_id, [person_id])[person_id]


def shred_people(customer_id: UUID, person_ids: Iterable[UUID]) -> dict[UUID, Tombstone]:
    """Destroys the keys of many people in one transaction, and returns their tombstones.

    From the commit on nobody can read or mint these keys; a process that holds one in memory may use it until
    `gone_everywhere_at`, this one not at all. What it seals in that time is unreadable like everything else of theirs.
    Not inside another transaction on the vault: a promise to forget may not be taken back.
    """
    ids = sorted(set(person_ids))
    with transaction.atomic(using="vault", durable=True):
        hold_customer(customer_id)
        buried = _bury(customer_id, ids)
    held.drop_person_keys(customer_id, ids)
    gone = in_future(seconds=CACHE_SECONDS)
    return {person_id: Tombstone(customer_id, person_id, at, gone) for person_id, at in buried}


def _insert(customer_id: UUID, person_ids: list[UUID]) -> dict[UUID, PersonKey]:
    """Inserts what is not there, and returns only what it inserted, once it is durable: what a key that was rolled
    back had sealed could never be opened.
    """
    fresh = {person_id: rules.new_key() for person_id in person_ids}
    ticket = held.people.ticket()
    with transaction.atomic(using="vault", durable=True):
        version, cipher = _wrapping_key(customer_id)
        wrapped = [
            cipher.seal(person_associated(customer_id, person_id, version), key) for person_id, key in fresh.items()
        ]
        with connections["vault"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO vault_personkey (customer_id, person_id, wrapped, key_version, created_at)"
                " SELECT %s, minted.person_id, minted.wrapped, %s, %s"
                " FROM unnest(%s::uuid[], %s::bytea[]) AS minted (person_id, wrapped)"
                " ON CONFLICT DO NOTHING RETURNING person_id",
                [customer_id, version, now(), person_ids, wrapped],
            )
            inserted = [row[0] for row in cursor.fetchall()]
    minted = {person_id: PersonKey(customer_id, person_id, fresh[person_id]) for person_id in inserted}
    held.people.keep_many({(customer_id, person_id): key for person_id, key in minted.items()}, ticket)
    return minted


def _wrapping_key(customer_id: UUID) -> tuple[int, rules.Cipher]:
    """Returns the newest version of the customer's key, locked until commit: it cannot be retired under our feet."""
    live = CustomerKey.objects.using("vault").filter(customer_id=customer_id, wrapped__isnull=False)
    for _ in range(ATTEMPTS):
        with connections["vault"].cursor() as cursor:
            cursor.execute(
                "SELECT version, wrapped FROM vault_customerkey"
                " WHERE customer_id = %s AND wrapped IS NOT NULL FOR SHARE",
                [customer_id],
            )
            rows = cursor.fetchall()
        if rows:
            version, wrapped = max(rows, key=lambda row: int(row[0]))
            cipher = customer_cipher(customer_id, version, bytes(wrapped))
            assert cipher is not None  # noqa: S101  # nosec B101  the wrapped key was at hand
            return version, cipher
        if not live.exists():
            refuse_keyless(customer_id)
        # A rotation retired the only version this statement could see; the next one sees its successor.
    raise Unavailable(f"The key of customer {customer_id} keeps changing: try again.")


def _bury(customer_id: UUID, person_ids: list[UUID]) -> list[tuple[UUID, datetime]]:
    """One upsert: whoever comes first, minter or shredder, the row ends as a tombstone and stays one."""
    at = now()
    with connections["vault"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO vault_personkey AS kept"
            " (customer_id, person_id, wrapped, key_version, created_at, destroyed_at)"
            " SELECT %s, buried.person_id, NULL, 0, %s, %s FROM unnest(%s::uuid[]) AS buried (person_id)"
            " ON CONFLICT (customer_id, person_id) DO UPDATE SET wrapped = NULL, destroyed_at = EXCLUDED.destroyed_at"
            " WHERE kept.destroyed_at IS NULL",
            [customer_id, at, at, person_ids],
        )
        cursor.execute(
            "SELECT person_id, destroyed_at FROM vault_personkey"
            " WHERE customer_id = %s AND person_id = ANY(%s::uuid[])",
            [customer_id, person_ids],
        )
        return list(cursor.fetchall())
