"""What passwords may be, how they are kept, and that neither the table alone nor a long one buys anything."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace

import argon2
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password

from misentinel.kernel.errors import Invalid
from misentinel.teammates.passwords import hashing, strength

KNOWN = ("Asha Rao", "asha.rao@acme-widgets.example.com", "Acme Widgets Ltd", "acme-widgets")
GOOD = "seven quiet otters by the weir"


@pytest.fixture
def stolen_pepper(monkeypatch: pytest.MonkeyPatch):
    """Changes the vault's key under the hasher."""

    def use(key: bytes) -> None:
        monkeypatch.setattr(hashing, "service_key", lambda purpose: key)

    return use


def test_the_parameters_are_above_every_floor_of_asvs() -> None:
    hasher = hashing.PepperedArgon2id()
    parameters = argon2.extract_parameters(make_password(GOOD).removeprefix("peppered_argon2id"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (3, 65_536, 1)
    assert parameters.memory_cost > max(hashing.ASVS_FLOOR.values())
    assert parameters.memory_cost > 5 * hashing.ASVS_FLOOR[min(hasher.time_cost, 3)]
    assert parameters.hash_len >= 32


def test_a_stolen_table_is_of_no_use_without_the_vault(stolen_pepper) -> None:
    kept = make_password(GOOD)
    assert check_password(GOOD, kept)
    plain = kept.replace("peppered_argon2id", "argon2", 1)
    assert not Argon2PasswordHasher().verify(GOOD, plain), "the right password, and the table alone cannot tell"
    stolen_pepper(b"another installation's key......")
    assert not check_password(GOOD, kept)


def test_a_digest_without_the_pepper_opens_nothing() -> None:
    planted = Argon2PasswordHasher().encode(GOOD, "0123456789012345678901")
    assert not check_password(GOOD, planted)


@pytest.mark.parametrize(
    "password",
    [
        GOOD, "correct horse battery staple", "tR7$kQ9!zLp2@Wm", "ünïcödé wörds ärë fïne", "только слова и ничего",
        "all lower case words", "               surrounded by blanks               ",
        "日本語のパスワードは長くても良いです", "a" * 60 + GOOD * 6,
    ],
)  # fmt: skip
def test_long_and_unlikely_is_enough_whatever_the_characters(password: str) -> None:
    strength.require_strong(password, KNOWN)


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("fourteen chars", "at least 15"),
        ("x" * 257, "at most 256"),
        ("passwordpassword", "plain run"),
        ("1q2w3e4r5t6y7u8i", "list of common"),
        ("password12345678", "guessed soon"),
        ("Asha Rao Acme Widgets 1", "too similar"),
        ("misentinel-widgets-2026", "too similar"),
        ("ACME_WIDGETS_ASHA_", "too similar"),
        ("letmein letmein 1", "guessed soon"),
        ("november 1984 1984", "guessed soon"),
    ],
)
def test_what_somebody_would_try_is_refused_with_a_reason(password: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        strength.require_strong(password, KNOWN)


def test_what_is_known_about_the_person_is_what_makes_the_difference() -> None:
    """The words are inputs to the estimate too: the same password stands for somebody else."""
    password = "raoasha.widgetsacme"
    strength.require_strong(password, ())
    with pytest.raises(Invalid):
        strength.require_strong(password, ("Raoasha", "Widgetsacme"))


def test_the_estimate_stays_cheap_for_the_longest_and_the_worst() -> None:
    rng = random.Random(7)
    worst = [
        "".join(rng.choices(alphabet, k=256)) for alphabet in ("4@8({[<369&#!|1/|\\0$5+7%2", "abc4@!", "qwertyuiop0987")
    ]
    started = time.perf_counter()
    for password in worst:
        strength.require_strong(password, KNOWN)
    assert time.perf_counter() - started < 3


def test_only_the_first_characters_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def estimate(password: str, words: list[str]):
        seen.append(password)
        return SimpleNamespace(score=4, feedback=None)

    monkeypatch.setattr(strength, "zxcvbn", estimate)
    strength.require_strong(GOOD * 8 + "!", KNOWN)
    assert [len(password) for password in seen] == [72]
