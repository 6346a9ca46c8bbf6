"""Rotating a customer's key changes not one byte of their store, and everything in it opens as before."""

from uuid import uuid4

from django.db import connections

from misentinel.kernel.actor import system
from misentinel.trail.actions import record
from misentinel.trail.contracts import Tag
from misentinel.trail.queries import get_entry
from misentinel.vault.actions import rotate_customer_key, shred_person
from misentinel.vault.queries import drop_held_keys

TABLE = "SELECT entry::text FROM trail_entry AS entry ORDER BY id"


def whole_trail(store):
    with connections[store.alias].cursor() as cursor:
        cursor.execute(TABLE)
        return cursor.fetchall()


def test_the_store_is_byte_for_byte_the_same_after_a_rotation(acme):
    rosa = uuid4()
    was, became = {"name": "Rosa"}, {"name": "Rosa María"}
    with acme.atomic():
        entry_id = record(acme, system("test"), Tag.CUSTOMER_EDIT, person_id=rosa, before=was, after=became)
    before = whole_trail(acme)
    assert "Rosa" not in str(before)
    rotate_customer_key(acme.customer_id)
    drop_held_keys()
    assert whole_trail(acme) == before
    assert get_entry(acme, entry_id).after == became
    shred_person(acme.customer_id, rosa)
    assert whole_trail(acme) == before
    assert get_entry(acme, entry_id).after is None
