"""Tokens agree where a person would call the text equal, and nowhere else."""

import os
import re
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misentinel.vault import rules
from misentinel.vault.contracts import Tokens

KEY = os.urandom(32)
ACME = Tokens(uuid4(), KEY)
BOLT = Tokens(uuid4(), os.urandom(32))


@given(st.text(max_size=50))
def test_every_token_is_22_characters_of_base64url(text):
    for token in (
        ACME.value("name", text),
        ACME.email(text),
        ACME.domain(text),
        *ACME.prefixes("name", text),
    ):
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", token)


@given(st.text(max_size=50))
def test_normalising_twice_changes_nothing(text):
    assert rules.normalised(rules.normalised(text)) == rules.normalised(text)


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=50))
def test_the_short_cut_for_ascii_agrees_with_the_rule(text):
    assert rules.normalised(text) == rules.normalised(text + "é").removesuffix("é").strip() or text != text.rstrip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rosa", "  ROSA "),
        ("Straße", "STRASSE"),
        ("é", "e\u0301"),
        ("ﬁne", "FINE"),
        ("Ｒｏｓａ", "rosa"),
        ("\u00a0rosa\u2003", "rosa"),
    ],
)
def test_what_a_person_would_call_equal_has_one_token(one, other):
    assert ACME.value("name", one) == ACME.value("name", other)


def test_other_text_field_kind_or_customer_is_another_token():
    tokens = [
        ACME.value("name", "rosa@example.com"),
        ACME.value("nam", "erosa@example.com"),
        ACME.value("email", "rosa@example.com"),
        ACME.value("", "rosa@example.com"),
        ACME.email("rosa@example.com"),
        ACME.email("rosa@example.org"),
        ACME.domain("rosa@example.com"),
        ACME.value("domain", "example.com"),
        BOLT.value("name", "rosa@example.com"),
        BOLT.email("rosa@example.com"),
        BOLT.domain("rosa@example.com"),
    ]
    assert len(set(tokens)) == len(tokens)


@given(st.text(min_size=2, max_size=30))
def test_two_customers_never_share_a_token(text):
    def everything(tokens):
        return {tokens.value("f", text), tokens.email(text), tokens.domain(text), *tokens.prefixes("f", text)}

    assert everything(ACME).isdisjoint(everything(BOLT))


@pytest.mark.parametrize("text", ["rosa@example.com", "Rosa.M@EXAMPLE.com.", "example.com", ' "a@b"@Example.COM '])
def test_the_domain_is_found_in_an_address_or_taken_bare(text):
    assert ACME.domain(text) == ACME.domain("example.com")


def test_a_word_is_found_by_each_of_its_beginnings():
    kept = set(ACME.prefixes("name", "Rosa-María Contreras"))
    for typed in ("ro", "Rosa", "maría", "MARI", "contreras", "rosa contr", "Contreras, Rosa"):
        assert set(ACME.search("name", typed)) <= kept, typed
        assert ACME.search("name", typed)
    for typed in ("rosam", "osa", "contreraz"):
        assert not set(ACME.search("name", typed)) <= kept, typed


def test_a_long_word_is_found_by_its_first_twelve_characters():
    kept = ACME.prefixes("name", "Wolfeschlegelsteinhausen")
    assert len(kept) == 11
    assert set(ACME.search("name", "wolfeschlegelstein")) <= set(kept)


def test_how_many_prefixes_a_text_has_is_bounded():
    assert len(ACME.prefixes("bio", " ".join(f"{n:012d}" for n in range(1_000)))) <= rules.MOST_WORDS * 11
    assert ACME.prefixes("bio", " - a ! _ ") == []


def test_a_prefix_is_not_the_token_of_the_same_text():
    assert ACME.value("name", "rosa") not in ACME.prefixes("name", "rosa")
    assert set(ACME.prefixes("name", "rosa")).isdisjoint(ACME.prefixes("town", "rosa"))


def test_text_that_utf8_cannot_hold_still_has_a_token():
    assert ACME.value("name", "\ud800") != ACME.value("name", "\ud801")


def test_a_token_is_the_documented_hmac():
    """Fixed, because a store's tokens must mean the same after an upgrade."""
    fixed = Tokens(uuid4(), bytes(range(32)))
    assert fixed.value("plan", "Pro") == "-5wEbZOF5HvPhsdmlZSpGg"
