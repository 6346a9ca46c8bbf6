"""Two customers served alternately by the same process see and count their own, and nothing that is held is mixed up.

What a process holds for several customers: opened keys and token keys, the handles of stores and their connections,
the levels of keys' allowances. Each is asked for by both customers in turn, warm and cold.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import _customer
from misentinel.kernel.actor import system
from misentinel.messages.tests.people import come_in, identify
from misentinel.people.queries import count_people, find_by_user_id, get_person, list_people
from misentinel.store.queries import get_store
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind
from misentinel.vault.queries import drop_held_keys, tokens
from misentinel.web.allowance import Allowance
from tests.cast import browser, hire, signed_in

NAMES = {"Acme": "Rosalind Acmesdottir", "Bolt": "Bartholomew Boltsson"}


@pytest.fixture(scope="module")
def both() -> Iterator[dict[str, object]]:
    """Both have a person of the same user id and e-mail address, under different names; Bolt has one more."""
    made = {name: _customer(name) for name in NAMES}
    stores = {name: next(customer) for name, customer in made.items()}
    for name, store in stores.items():
        come_in(store, identify("same-id", email="same@example.com", name=NAMES[name]))
    come_in(stores["Bolt"], identify("one-more", email="more@example.com", name="Benedict Boltsson"))
    yield stores
    for customer in made.values():
        next(customer, None)


@pytest.mark.parametrize("cold", [False, True])
def test_what_is_held_for_one_customer_answers_no_other(both, cold: bool) -> None:
    for name in ("Acme", "Bolt", "Acme", "Bolt"):
        if cold:
            drop_held_keys()
        store = get_store(both[name].customer_id)
        assert (store.customer_id, store.alias) == (both[name].customer_id, both[name].alias)
        found = get_person(store, find_by_user_id(store, "same-id"))
        assert found.traits["name"] == NAMES[name]


def test_the_same_words_have_other_tokens_for_another_customer(both) -> None:
    acme, bolt = (tokens(store.customer_id) for store in both.values())
    assert acme.email("same@example.com") != bolt.email("same@example.com")
    assert acme.value("city", "York") != bolt.value("city", "York")
    assert not {*acme.prefixes("name", "Boltsson")} & {*bolt.prefixes("name", "Boltsson")}


def test_a_search_finds_no_neighbour_and_counts_none(both) -> None:
    asha = signed_in(hire(both["Acme"].customer_id, "Asha"))
    for words in ("Boltsson", "Benedict", "more@example.com", "one-more"):
        assert list_people(both["Acme"], search=words).people == []
        assert count_people(both["Acme"], search=words) == 0
        page = asha.get("/people", {"search": words}, secure=True).content.decode()
        assert "Boltsson" not in page.replace(words, "")
    assert count_people(both["Bolt"], search="Boltsson") == 2
    assert [count_people(both[name]) for name in NAMES] == [1, 2]


def test_one_key_s_allowance_is_not_another_s() -> None:
    allowance = Allowance(10, clock=lambda: 0.0)
    assert allowance.take("acme", 50) == 0
    assert allowance.take("acme", 1) > 0
    assert allowance.take("bolt", 1) == 0


def test_a_token_lists_its_own_customer_s_people_alternately(both) -> None:
    programs = {}
    for name, store in both.items():
        made = actions.create_credential(
            system("test"), store.customer_id, CredentialKind.API_TOKEN, name="All", permissions=GRANTABLE
        )
        programs[name] = browser(HTTP_AUTHORIZATION=f"Bearer {made.secret}")
    for name in ("Acme", "Bolt", "Acme"):
        told = programs[name].get("/api/people", secure=True).content.decode()
        assert NAMES[name] in told
        assert not any(other in told for key, other in NAMES.items() if key != name)
