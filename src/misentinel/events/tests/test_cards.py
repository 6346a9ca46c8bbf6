"""No card number gets past, however it is dressed; what merely looks like one does.

The numbers are the networks' published test numbers, or made here from an issuer's prefix and a computed check digit.
"""

from __future__ import annotations

import base64
import sys
import time
import unicodedata
import uuid
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from misentinel.events.rules import cards
from misentinel.events.rules.cards import find_card

PUBLISHED = [
    "4111111111111111",  # Visa
    "4012888888881881",
    "4222222222222",  # Visa, 13 digits
    "5555555555554444",  # Mastercard
    "2223003122003222",
    "378282246310005",  # American Express
    "371449635398431",
    "6011111111111117",  # Discover
    "30569309025904",  # Diners Club
    "36227206271667",
    "3530111333300000",  # JCB
    "6200000000000005",  # UnionPay
    "6759649826438453",  # Maestro
    "6304000000000000",
]
SCRIPTS = ["0", "０", "٠", "۰", "०", "߀", "᠐", "𝟎"]  # zeroes; nine more digits follow each
SEPARATORS = ["", " ", "-", ".", "/", "_", "\u00a0", "\u200b", "\u2013", "\u2009", " - ", "\t", "\ufeff", "\u20e3"]
ENCODINGS = ["plain", "url", "url-all", "base64", "base64url"]
POSITIONS = ["string", "number", "key", "nested", "within text", "before its expiry date"]


def with_check_digit(digits: str) -> str:
    total = sum(int(d) if i % 2 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


@st.composite
def numbers(draw: Any) -> str:
    if draw(st.booleans()):
        return draw(st.sampled_from(PUBLISHED))
    length, first, last, lengths = draw(st.sampled_from(cards._RANGES))
    prefix = str(draw(st.integers(first, last))).zfill(length)
    rest = draw(st.sampled_from(sorted(lengths))) - length - 1
    return with_check_digit(
        prefix + "".join(draw(st.lists(st.sampled_from("0123456789"), min_size=rest, max_size=rest)))
    )


def grouped(number: str, separator: str) -> str:
    if len(number) == 15:
        return separator.join([number[:4], number[4:10], number[10:]])
    if len(number) == 14:
        return separator.join([number[:4], number[4:10], number[10:]])
    return separator.join(number[at : at + 4] for at in range(0, len(number), 4))


def in_script(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(c)) if c in "0123456789" else c for c in text)


def encoded(text: str, encoding: str) -> str:
    if encoding == "url":
        return quote(text, safe="")
    if encoding == "url-all":
        return "".join(f"%{byte:02X}" for byte in text.encode())
    if encoding == "base64":
        return base64.b64encode(text.encode()).decode()
    if encoding == "base64url":
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return text


def placed(text: str, number: str, position: str) -> tuple[Any, str]:
    if position == "number" and text == number:
        return {"properties": {"amount": int(number)}}, "/properties/amount"
    if position == "key":
        return {"properties": {text: True}}, "/properties/*"
    if position == "nested":
        return {"properties": {"list": [1, [text]]}}, "/properties/list/1/0"
    if position == "within text":
        return {"traits": {"note": f"My card is: {text}, thanks"}}, "/traits/note"
    if position == "before its expiry date":
        return {"traits": {"note": f"{text} 12/27 123"}}, "/traits/note"
    return {"traits": {"note": text}}, "/traits/note"


def look(item: Any) -> str | None:
    return find_card(item, orjson.dumps(item))


@settings(max_examples=1500, deadline=None)
@given(
    numbers(),
    st.sampled_from(SEPARATORS),
    st.sampled_from(SCRIPTS),
    st.sampled_from(ENCODINGS),
    st.sampled_from(POSITIONS),
)
def test_any_card_is_found_and_the_place_told_without_the_value(number, separator, zero, encoding, position):
    text = encoded(in_script(grouped(number, separator), zero), encoding)
    item, place = placed(text, number, position)
    pointer = look(item)
    assert pointer == place
    assert number not in pointer and text not in pointer


@settings(max_examples=300, deadline=None)
@given(numbers(), st.data())
def test_a_number_on_its_own_is_found_however_it_is_grouped(number, data):
    text = number[0]
    for digit in number[1:]:
        text += data.draw(st.sampled_from(["", "", " ", "-", "\u200b", " - "])) + digit
    assert look({"traits": {"note": f"card: {text}."}}) == "/traits/note"


@settings(max_examples=300, deadline=None)
@given(numbers(), st.sampled_from("0123456789"), st.booleans())
def test_part_of_a_longer_run_of_digits_is_no_card(number, digit, before):
    run = digit * 20 + number if before else number + digit * 20
    assert look({"traits": {"note": run}}) is None


@settings(max_examples=300, deadline=None)
@given(numbers())
def test_one_wrong_digit_and_it_is_an_order_number(number):
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert look({"properties": {"order": wrong, "amount": int(wrong)}}) is None


@settings(max_examples=300, deadline=None)
@given(st.uuids(), st.datetimes(), st.integers(0, 2**48))
def test_identifiers_and_moments_pass(an_id, moment, milliseconds):
    item = {
        "messageId": str(an_id),
        "anonymousId": an_id.hex,
        "upper": str(an_id).upper(),
        "timestamp": moment.isoformat() + "Z",
        "day": moment.date().isoformat(),
        "node": f"node-next-1{milliseconds % 10**12:012d}-{an_id}",
        "epoch": 1_000_000_000_000 + milliseconds % 10**12,
    }
    assert look(item) is None


@pytest.mark.parametrize(
    "value",
    [
        "+44 20 7946 0958",
        "+49 30 901820 1234",
        "+4930901820123",
        "0044 20 7946 0958",
        51.50735312345678,
        "51.50735312345678",
        -0.1275862,
        "1795436930099123456",
        1795436930099123,
        "2026-11-23T12:28:50.913+00:00",
        "2026-11-23/2026-11-24",
        "192.168.100.100 10.0.0.1",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
        "978-3-16-148410-0",
        "GB29 NWBK 6016 1331 9268 19",
        "507f191e810c19729de860ea",
        "4111111111111112",
        "1" * 30,
        "node-next-1795436930099-4b46ffaf-78a1-41ec-a1bd-fd08a0540a41",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://www.example.com/orders/20261123122850/items?page=12&per=100",
    ],
)
def test_ordinary_values_pass(value):
    assert look({"properties": {"value": value}}) is None


def test_a_digest_that_contains_a_card_number_by_chance_passes_and_the_same_number_beside_it_does_not():
    digest = "ab4111111111111111cd" + "e" * 44
    assert look({"properties": {"sha256": digest}}) is None
    assert look({"properties": {"sha256": digest, "card": "4111111111111111"}}) == "/properties/card"


def test_a_card_as_a_whole_float_is_found():
    assert look({"properties": {"n": 4111111111111111.0}}) == "/properties/n"


def test_a_card_in_base64_inside_a_longer_token_is_found():
    for before in ("", "a", "ab", "abc"):
        token = before + base64.b64encode(b"pan:4111 1111 1111 1111;").decode()
        assert look({"traits": {"token": token}}) == "/traits/token"


def test_pointers_follow_rfc_6901_and_hide_what_is_not_a_field_name():
    assert look({"a~b": {"asha@example.com": ["4111111111111111"]}}) == "/*/*/0"
    assert look({"card number": "4111111111111111"}) == "/card number"


def test_a_pointer_does_not_carry_a_number_that_is_encoded_in_letters_alone():
    key = base64.b64encode(b"4111111111111111").decode().rstrip("=")
    assert key.isalpha()
    assert look({"properties": {key: {"inner": 1}}}) == "/properties/*"


def test_a_long_list_of_small_numbers_is_read_quickly():
    started = time.process_time()
    assert look({"properties": {"counts": "4 " * 16_000}}) is None
    assert time.process_time() - started < 2


def test_the_table_of_digits_is_the_one_of_unicode():
    foreign = [chr(code) for code in range(128, sys.maxunicode + 1) if unicodedata.digit(chr(code), None) is not None]
    assert all(cards._FOREIGN_DIGIT.fullmatch(character) for character in foreign)


def test_a_thousand_random_identifiers_cost_no_false_alarm():
    items = [{"messageId": str(uuid.uuid4()), "userId": uuid.uuid4().hex} for _ in range(1000)]
    assert [look(item) for item in items] == [None] * 1000
