"""Changing the vault: making, rotating and destroying keys. Who asked, and why, is on the caller's trail."""

from misentinel.vault.actions.customers import create_customer_key, shred_customer
from misentinel.vault.actions.people import mint_person_keys, shred_people, shred_person
from misentinel.vault.actions.root import ensure_root_key
from misentinel.vault.actions.rotation import rotate_customer_key

__all__ = [
    "create_customer_key",
    "ensure_root_key",
    "mint_person_keys",
    "rotate_customer_key",
    "shred_customer",
    "shred_people",
    "shred_person",
]
