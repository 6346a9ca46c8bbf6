"""A published key can be known offline, and nothing else is taken for one."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from misentinel.teammates.key_form import PATTERN, is_well_spelt, new_secret

GUIDE = Path(__file__).parents[4] / "docs" / "guide" / "keys.md"


def test_a_new_key_is_well_spelt_and_never_the_same() -> None:
    made = {new_secret("mst_") for _ in range(200)}
    assert len(made) == 200
    assert all(is_well_spelt(secret) for secret in made)


@given(st.integers(0, 52), st.characters(codec="ascii", categories=["L", "N"]))
def test_one_wrong_character_is_noticed(place: int, other: str) -> None:
    secret = new_secret("msw_")
    changed = secret[:place] + other + secret[place + 1 :]
    assert is_well_spelt(changed) == (changed == secret)


def test_the_expression_in_the_guide_finds_a_key_in_what_was_published() -> None:
    written = re.search(r"^\\bms.*$", GUIDE.read_text(), re.MULTILINE)
    assert written is not None
    expression = re.compile(written[0])
    secret = new_secret("mst_")
    assert expression.findall(f'token = "{secret}"\nother = "mst_tooshort"') == [secret]
    assert PATTERN.fullmatch(secret)
    assert not expression.search("x" + secret)


def test_the_checksum_is_what_the_guide_says() -> None:
    """Spelt out once more, as a scanner's author would from the guide."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    secret = new_secret("mst_")
    number = 0
    for character in secret[-6:]:
        number = number * 62 + digits.index(character)
    assert number == zlib.crc32(secret[:-6].encode())
