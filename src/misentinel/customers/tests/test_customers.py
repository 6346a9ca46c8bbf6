"""What a customer may be called, and that one who is closed stays closed and out of the lists."""

from __future__ import annotations

import uuid

import pytest

from misentinel.customers import actions, rules
from misentinel.customers.queries import find_customer, get_customer, list_customers, search_customers
from misentinel.kernel.actor import system
from misentinel.kernel.errors import Conflict, Invalid, NotFound

DANA = system("test")


@pytest.fixture
def closed(acme):
    """A customer who is gone, called like the open one."""
    row = actions.create_customer(DANA, "Acme Gone", slug=f"acme-gone-{uuid.uuid4().hex[:8]}")
    actions.close_customer(DANA, row.id)
    return row


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "Ac\x00me", "Ac\nme", "Acme\u202e"])
def test_a_name_that_nobody_could_read_is_refused(name):
    with pytest.raises(Invalid, match="1 to 120 printable"):
        rules.clean_name(name)


def test_a_name_is_trimmed_and_has_one_form():
    assert rules.clean_name("  Cafe\u0301  ") == "Caf\u00e9"
    assert rules.clean_name("x" * 120) == "x" * 120


@pytest.mark.parametrize("slug", ["", "Acme", "-acme", "acme-", "a" * 41, "ac me", "acme.ltd", "acme\n", "ácme"])
def test_a_short_name_that_is_no_label_is_refused(slug):
    with pytest.raises(Invalid, match="short name"):
        rules.clean_slug(slug)


@pytest.mark.parametrize("slug", ["a", "acme-ltd", "a" * 40, "0"])
def test_a_short_name_that_is_one_is_taken(slug):
    assert rules.clean_slug(slug) == slug


@pytest.mark.parametrize(
    "address",
    [
        "hello", "hello@", "@acme.example.com", "a@b@c", "hello@acme.example.com, x@evil.test",
        "hello@acme.example.com\r\nBcc: x@evil.test", "x" * 250 + "@a.test", "h\u200bello@acme.example.com",
        "hello@ac me.test", "hello@ac\u200bme.test", "(comment)hello@acme.test",
    ],
)  # fmt: skip
def test_a_sender_that_is_no_address_is_refused(address):
    with pytest.raises(Invalid, match="not an e-mail address"):
        rules.clean_sender(address)


def test_a_sender_is_trimmed_and_may_be_none():
    assert rules.clean_sender(" hello@acme.example.com ") == "hello@acme.example.com"
    assert rules.clean_sender("  ") == ""


def test_an_edit_changes_one_customer_and_a_closed_one_never(acme, bolt, closed):
    before = get_customer(bolt.customer_id)
    edited = actions.edit_customer(
        DANA, acme.customer_id, name="Acme Ltd", time_zone="Asia/Tokyo", mail_from="a@b.test"
    )
    assert (edited.name, edited.time_zone, edited.mail_from) == ("Acme Ltd", "Asia/Tokyo", "a@b.test")
    assert get_customer(acme.customer_id) == edited and get_customer(bolt.customer_id) == before
    for gone in (closed.id, uuid.uuid4()):
        with pytest.raises(NotFound, match="no such customer"):
            actions.edit_customer(DANA, gone, name="Back", time_zone="Asia/Tokyo")
    assert get_customer(closed.id).name == "Acme Gone"


def test_closing_ends_one_customer_and_only_once(acme, closed):
    assert get_customer(acme.customer_id).closed_at is None and get_customer(closed.id).closed_at is not None
    with pytest.raises(Conflict, match="closed already"):
        actions.close_customer(DANA, closed.id)
    with pytest.raises(Conflict, match="its keys are destroyed"):
        actions.rotate_key(DANA, closed.slug, lambda done, total: None)
    assert actions.rotate_key(DANA, str(acme.customer_id), lambda done, total: None) == 2


def test_a_customer_is_found_by_either_name_and_not_by_part_of_one(acme):
    found = get_customer(acme.customer_id)
    assert find_customer(found.slug) == find_customer(str(found.id)) == found
    assert find_customer(found.slug[:-1]) is None and find_customer(str(uuid.uuid4())) is None


def test_lists_show_the_closed_only_when_asked_and_go_on_after_the_last(acme, bolt, closed):
    slugs = [one.slug for one in list_customers(limit=10_000)]
    assert slugs == sorted(slugs) and get_customer(acme.customer_id).slug in slugs and closed.slug not in slugs
    with_closed = [one.slug for one in list_customers(closed=True, limit=10_000)]
    assert closed.slug in with_closed
    at = with_closed.index(closed.slug)
    assert [one.slug for one in list_customers(closed=True, after=closed.slug, limit=2)] == with_closed[at + 1 : at + 3]


def test_a_search_finds_names_and_short_names_of_open_customers(acme, closed):
    found = get_customer(acme.customer_id)
    actions.edit_customer(DANA, found.id, name=f"Otters {found.slug[-8:]}", time_zone="Europe/London")
    tail = found.slug[-8:]
    assert [one.id for one in search_customers(f"oTTers {tail}")] == [found.id]
    assert [one.id for one in search_customers(f"acme-{tail}")] == [found.id]
    assert search_customers("Acme Gone") == [] and search_customers(f"{tail} nothing") == []
