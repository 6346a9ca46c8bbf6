"""A rule is read whole or refused with the place that is wrong."""

from __future__ import annotations

import pytest

from misentinel.kernel.errors import Invalid
from misentinel.segments.rules import EVERYONE, Asks, Attribute, Event, Group, Not, parse


def test_a_whole_tree_is_read():
    rule = parse(
        {
            "all": [
                {"attribute": "plan", "test": "in", "value": ["pro", "team"]},
                {"any": [{"event": "Order"}, {"not": {"attribute": "age", "test": "between", "value": [18, 30]}}]},
                {"event": "Order", "at_most": 0, "within_days": 7},
            ]
        }
    )
    assert rule == Group(
        True,
        (
            Attribute("plan", Asks.IN, ("pro", "team")),
            Group(False, (Event("Order"), Not(Attribute("age", Asks.BETWEEN, (18, 30))))),
            Event("Order", 0, 0, 7),
        ),
    )
    assert parse({"all": []}) == EVERYONE


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "/"),
        ({}, "/"),
        ({"any": []}, "/any"),
        ({"all": {}}, "/all"),
        ({"all": [], "any": []}, "/"),
        ({"all": [{"attribute": "a", "test": "like", "value": 1}]}, "/all/0/test"),
        ({"attribute": "", "test": "set"}, "/attribute"),
        ({"attribute": "a\x00", "test": "set"}, "/attribute"),
        ({"attribute": "a\ud800", "test": "set"}, "/attribute"),
        ({"attribute": "a", "test": "is", "value": "\ud800"}, "/value"),
        ({"attribute": "a", "test": "is", "value": 2**63}, "/value"),
        ({"event": "\udfff"}, "/event"),
        ({"attribute": "a", "test": "set", "value": 1}, "/value"),
        ({"attribute": "a", "test": "is"}, "/value"),
        ({"attribute": "a", "test": "is", "value": {"x": 1}}, "/value"),
        ({"attribute": "a", "test": "in", "value": []}, "/value"),
        ({"attribute": "a", "test": "in", "value": [1, None]}, "/value/1"),
        ({"attribute": "a", "test": "greater", "value": "7"}, "/value"),
        ({"attribute": "a", "test": "greater", "value": True}, "/value"),
        ({"attribute": "a", "test": "greater", "value": float("nan")}, "/value"),
        ({"attribute": "a", "test": "between", "value": [3, 1]}, "/value"),
        ({"attribute": "a", "test": "before", "value": "yesterday"}, "/value"),
        ({"attribute": "a", "test": "in_last_days", "value": 0}, "/value"),
        ({"event": "Order", "at_least": 0}, "/at_least"),
        ({"event": "Order", "at_least": 3, "at_most": 2}, "/at_most"),
        ({"event": "Order", "how": 1}, "/"),
        ({"not": [{"event": "Order"}]}, "/not"),
    ],
)
def test_a_mistake_is_told_with_its_place(document, path):
    with pytest.raises(Invalid) as raised:
        parse(document)
    assert (raised.value.details["path"] or "/") == path


def test_rules_of_no_end_are_refused():
    deep = {"event": "Order"}
    for _ in range(9):
        deep = {"not": deep}
    for document in (deep, {"all": [{"event": "Order"}] * 61}):
        with pytest.raises(Invalid):
            parse(document)
