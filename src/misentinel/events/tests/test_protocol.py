"""A request is read item by item: one bad item costs no other, and only what cannot be read at all is refused."""

from __future__ import annotations

import gzip
import time
import zlib
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from misentinel.events.contracts import ItemType, Reason
from misentinel.events.rules import protocol
from misentinel.events.rules.protocol import parse
from misentinel.kernel.errors import Malformed, TooLarge

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRACK = {"type": "track", "event": "Plan selected", "userId": "asha", "messageId": "m-1"}


def batch(*items, **around):
    return parse(orjson.dumps({"batch": items, **around}), "batch", NOW)


def reasons(parsed):
    return [(verdict.position, verdict.code) for verdict in parsed.refused]


def test_every_call_is_read_with_what_it_says_of_its_person():
    parsed = batch(
        {
            "type": "identify",
            "userId": "asha",
            "traits": {"plan": "pro"},
            "context": {"traits": {"plan": "old", "n": 1}},
        },
        {**TRACK, "properties": {"price": 5}, "context": {"traits": {"plan": "pro"}}},
        {"type": "page", "anonymousId": "a-1", "name": "Pricing"},
        {"type": "screen", "anonymousId": "a-1"},
        {"type": "group", "userId": "asha", "groupId": "g-1", "traits": {"seats": 7}},
        {"type": "alias", "userId": "asha", "previousId": "a-1"},
    )
    assert parsed.refused == ()
    assert [item.type for item in parsed.items] == list(ItemType)
    identify, track, page, screen, group, alias = parsed.items
    assert identify.traits == {"plan": "pro", "n": 1}
    assert (track.name, track.properties, track.traits) == ("Plan selected", {"price": 5}, {"plan": "pro"})
    assert (page.name, page.anonymous_id, page.user_id, screen.name) == ("Pricing", "a-1", "", "")
    assert (group.traits, group.properties) == ({}, {"seats": 7})
    assert alias.previous_id == "a-1"


def test_a_single_call_takes_its_type_from_where_it_was_sent():
    body = orjson.dumps({"userId": "asha", "event": "Paid", "writeKey": "secret-key"})
    parsed = parse(body, "track", NOW)
    assert parsed.items[0].type is ItemType.TRACK
    assert b"secret-key" not in parsed.items[0].document
    assert protocol.find_write_key(body) == "secret-key"


def test_the_context_of_a_batch_reaches_its_items_and_theirs_wins():
    first, second = batch(TRACK, {**TRACK, "context": {"ip": "::1"}}, context={"ip": "::2", "locale": "en"}).items
    assert orjson.loads(first.document)["context"] == {"ip": "::2", "locale": "en"}
    assert orjson.loads(second.document)["context"] == {"ip": "::1", "locale": "en"}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (7, Reason.NOT_AN_OBJECT),
        ({**TRACK, "type": "delete"}, Reason.UNKNOWN_TYPE),
        ({**TRACK, "type": ["track"]}, Reason.UNKNOWN_TYPE),
        ({**TRACK, "type": None}, Reason.UNKNOWN_TYPE),
        ({**TRACK, "userId": None}, Reason.NO_IDENTITY),
        ({**TRACK, "userId": " "}, Reason.NO_IDENTITY),
        ({**TRACK, "userId": {"id": 1}}, Reason.BAD_FIELD),
        ({**TRACK, "userId": True}, Reason.BAD_FIELD),
        ({**TRACK, "userId": "x" * 256}, Reason.BAD_FIELD),
        ({**TRACK, "messageId": ["m"]}, Reason.BAD_FIELD),
        ({**TRACK, "event": ""}, Reason.MISSING_FIELD),
        ({**TRACK, "event": 5}, Reason.BAD_FIELD),
        ({**TRACK, "event": "x" * 256}, Reason.BAD_FIELD),
        ({"type": "group", "userId": "asha"}, Reason.MISSING_FIELD),
        ({"type": "alias", "userId": "asha"}, Reason.MISSING_FIELD),
        ({"type": "alias", "anonymousId": "a", "previousId": "b"}, Reason.MISSING_FIELD),
        ({**TRACK, "timestamp": "yesterday"}, Reason.BAD_TIMESTAMP),
        ({**TRACK, "timestamp": 1795436930}, Reason.BAD_TIMESTAMP),
        ({**TRACK, "timestamp": "0001-01-01T00:00:00Z", "sentAt": "9999-12-31T00:00:00Z"}, Reason.BAD_TIMESTAMP),
        ({**TRACK, "properties": {"x": "a" * 32768}}, Reason.TOO_LARGE),
        ({**TRACK, "properties": {"x": "a\0b"}}, Reason.NUL_CHARACTER),
        ({**TRACK, "properties": {"a\0b": 1}}, Reason.NUL_CHARACTER),
        ({**TRACK, "properties": {"card": "4111 1111 1111 1111"}}, Reason.CARD_NUMBER),
        ({**TRACK, "userId": "4111111111111111"}, Reason.CARD_NUMBER),
    ],
)
def test_a_bad_item_is_refused_by_name_and_its_neighbours_are_kept(item, code):
    parsed = batch(TRACK, item, TRACK)
    assert reasons(parsed) == [(1, code)]
    assert [kept.position for kept in parsed.items] == [0, 2]


def test_text_that_merely_spells_nul_is_kept():
    assert batch({**TRACK, "properties": {"x": r"C:\u0000"}}).refused == ()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"x": "\\ud800"}',
        b'{"x": NaN}',
        b'{"x": 1e999}',
        b'{"x": ' + b"9" * 400 + b"}",
        b"[" * 5000 + b"]" * 5000,
        b'"\xff"',
    ],
)
def test_what_cannot_be_read_costs_only_its_own_item(raw):
    good = orjson.dumps(TRACK)
    item = good[:-1] + b', "properties": ' + raw + b"}"
    parsed = parse(b'{"sentAt": null, "batch": [' + b",".join([good, item, good]) + b"]}", "batch", NOW)
    assert reasons(parsed) == [(1, Reason.NOT_JSON)]
    assert [kept.position for kept in parsed.items] == [0, 2]


def test_an_item_that_is_nested_too_deeply_is_refused():
    for levels, refused in ((protocol.DEPTH_LIMIT - 2, False), (protocol.DEPTH_LIMIT, True), (400, True), (800, True)):
        deep: list = []
        for _ in range(levels):
            deep = [deep]
        parsed = parse(
            b'{"batch": [{"type": "track", "event": "x", "userId": "u", "properties": {"d": '
            + b"[" * levels + b"]" * levels + b"}}]}", "batch", NOW,
        )  # fmt: skip
        assert bool(parsed.refused) is refused


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no",
        b"[]",
        b"7",
        b'{"batch": 1}',
        b'{"batch": [',
        b'{"batch": [{"a":}',
        b"{}",
        b'{"batch": [1]} x',
        b"\x1f\x8b junk",
    ],
)
def test_only_a_request_that_is_no_request_is_malformed(body):
    with pytest.raises(Malformed):
        parse(body, "batch", NOW)


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b'{"a": "\\ud800"}'])
def test_a_single_call_that_cannot_be_read_is_malformed(body):
    with pytest.raises(Malformed):
        parse(body, "track", NOW)


def test_gzip_is_told_by_its_bytes_and_a_cut_one_is_malformed():
    body = gzip.compress(orjson.dumps({"batch": [TRACK]}))
    assert len(parse(body, "batch", NOW).items) == 1
    with pytest.raises(Malformed):
        parse(body[:-9], "batch", NOW)


def test_a_bomb_is_refused_before_it_goes_off():
    bomb = zlib.compressobj(9, wbits=31)
    packed = bomb.compress(b" " * 50_000_000) + bomb.flush()
    assert len(packed) < 60_000
    with pytest.raises(TooLarge):
        parse(packed, "batch", NOW)
    with pytest.raises(TooLarge):
        parse(b" " * (protocol.BATCH_LIMIT + 1), "batch", NOW)


def test_the_moment_is_corrected_for_the_sender_s_clock():
    hour = timedelta(hours=1)
    fast = {"timestamp": (NOW + 5 * hour - hour).isoformat(), "sentAt": (NOW + 5 * hour).isoformat()}
    assert batch({**TRACK, **fast}).items[0].at == NOW - hour
    around = {"sentAt": (NOW + 5 * hour).isoformat()}
    assert batch({**TRACK, "originalTimestamp": (NOW + 4 * hour).isoformat()}, **around).items[0].at == NOW - hour
    assert batch({**TRACK, "timestamp": (NOW - hour).isoformat()}).items[0].at == NOW - hour
    assert batch({**TRACK, "timestamp": (NOW + hour).isoformat()}).items[0].at == NOW
    assert batch(TRACK).items[0].at == NOW


def test_an_item_without_a_message_id_is_recognised_again_if_it_says_when_it_happened():
    item = {"type": "track", "event": "Paid", "userId": "asha", "timestamp": "2026-11-23T11:00:00Z"}
    assert batch(item).items[0].message_id == batch(item).items[0].message_id
    del item["timestamp"]
    assert batch(item).items[0].message_id != batch(item).items[0].message_id


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatever_end_in_anything_but_a_verdict(body):
    for prefix in (b"", b'{"batch":[', b'{"batch":[{"type":"track","userId":'):
        try:
            parse(prefix + body, "batch", NOW)
        except Malformed:
            continue


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from([*TRACK, "timestamp", "context", "traits", "sentAt"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(fields, json_values), max_size=4))
def test_every_item_gets_exactly_one_verdict(items):
    parsed = batch(*items)
    told = sorted([item.position for item in parsed.items] + [verdict.position for verdict in parsed.refused])
    assert told == list(range(len(items)))


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch":["' + b'\\"' * 250_000,
        b'{"batch":["' + b"\\" * 499_999,
        b'{"batch":[' + b"[" * 500_000,
        b'{"batch":[' + b'"",' * 160_000,
    ],
)
def test_a_body_made_to_be_hard_to_take_apart_is_refused_at_once(body):
    started = time.process_time()
    assert protocol.find_write_key(body) is None
    with pytest.raises(Malformed):
        parse(body, "batch", NOW)
    assert time.process_time() - started < 5  # minutes, where each quote begins a search of its own


def test_more_items_than_could_be_of_use_are_refused_as_a_whole():
    """Each item gets a verdict: without a limit 500 KB of zeros would be answered with 25 MB."""
    zeros = b'{"batch":[' + b",".join([b"0"] * (protocol.MOST_ITEMS + 1)) + b"]}"
    with pytest.raises(TooLarge, match="20000 items"):
        parse(zeros, "batch", datetime.now(UTC))
    shortest = b'{"type":"page","userId":"a"}'
    assert protocol.BATCH_LIMIT / (len(shortest) + 1) < protocol.MOST_ITEMS
