"""The rule of a segment: one tree, checked into frozen dataclasses. Pure.

The JSON form, which the console and the API write:
    {"all": [rule, …]}   {"any": [rule, …]}   {"not": rule}
    {"attribute": "plan", "test": "is", "value": "pro"}
    {"attribute": "age", "test": "between", "value": [18, 30]}
    {"event": "Order Completed", "at_least": 2, "at_most": 5, "within_days": 30}   (at least once, if nothing is said)
`{"event": …, "at_most": 0}` means that it did not happen. A list of values passes when one does.
Of people of whom an attribute is not known, `is_not` and `unset` are true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from misentinel.kernel.errors import Invalid

DEEPEST = 8
MOST_CONDITIONS = 60
MOST_VALUES = 500
LONGEST_TEXT = 1024
MOST_DAYS = 3660
_MOST_TIMES = 1_000_000
DATE_SHAPE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$"

Scalar = str | int | float | bool
Shape = Callable[[str, Scalar], Scalar | None]


class Asks(StrEnum):
    """What an attribute is asked."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    GREATER = "greater"
    LESS = "less"
    BETWEEN = "between"
    SET = "set"
    UNSET = "unset"
    BEFORE = "before"
    AFTER = "after"
    IN_LAST_DAYS = "in_last_days"


@dataclass(frozen=True, slots=True)
class Group:
    """`every` of the rules has to hold, or at least one. An empty group of every rule holds of everyone."""

    every: bool
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Not:
    rule: Rule


@dataclass(frozen=True, slots=True)
class Attribute:
    """A test of an attribute. Dates among `values` are ISO 8601 text."""

    name: str
    test: Asks
    values: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """How often something happened, at any time or within so many days."""

    name: str
    at_least: int = 1
    at_most: int | None = None
    within_days: int | None = None


Rule = Group | Not | Attribute | Event
EVERYONE = Group(every=True, rules=())


def parse(document: Any) -> Rule:
    """Reads a rule. Raises `Invalid` with `path`, a JSON pointer to what is wrong."""
    budget = [MOST_CONDITIONS]
    return _parse(document, "", DEEPEST, budget)


def resolve(rule: Rule, shape: Shape) -> Rule:
    """Returns `rule` with its values as people's searchable documents keep them: text becomes tokens."""
    if isinstance(rule, Group):
        return replace(rule, rules=tuple(resolve(each, shape) for each in rule.rules))
    if isinstance(rule, Not):
        return Not(resolve(rule.rule, shape))
    if isinstance(rule, Attribute) and rule.test in (Asks.IS, Asks.IS_NOT, Asks.IN):
        shaped = (shape(rule.name, value) for value in rule.values)
        return replace(rule, values=tuple(value for value in shaped if value is not None))
    return rule


def holds(rule: Rule, match: Mapping[str, Any], happened: Mapping[str, list[datetime]], at: datetime) -> bool:
    """Returns whether a resolved rule holds of one person: their searchable document, the moments of their events."""
    if isinstance(rule, Group):
        return (all if rule.every else any)(holds(each, match, happened, at) for each in rule.rules)
    if isinstance(rule, Not):
        return not holds(rule.rule, match, happened, at)
    if isinstance(rule, Event):
        since = at - timedelta(days=rule.within_days) if rule.within_days is not None else None
        times = sum(1 for moment in happened.get(rule.name, ()) if since is None or moment >= since)
        return times >= rule.at_least and (rule.at_most is None or times <= rule.at_most)
    return _passes(rule, match, at)


def date_bounds(rule: Attribute, at: datetime) -> tuple[str, str]:
    """Returns the half-open range of ISO 8601 text that a test of dates accepts; empty means unbounded."""
    if rule.test is Asks.IN_LAST_DAYS:
        since = at - timedelta(days=int(rule.values[0]))
        return since.astimezone(UTC).isoformat(), at.astimezone(UTC).isoformat()
    text = str(rule.values[0])
    if rule.test is Asks.BEFORE:
        return "", text
    if len(text) == 10:  # after a day means from the next one on
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat(), ""
    return text + "\x01", ""  # the next text in order


def _passes(rule: Attribute, match: Mapping[str, Any], at: datetime) -> bool:
    if rule.test is Asks.SET:
        return rule.name in match
    if rule.test is Asks.UNSET:
        return rule.name not in match
    found = match.get(rule.name)
    values = found if isinstance(found, list) else [] if found is None else [found]
    if rule.test is Asks.IS_NOT:
        return not any(_equal(value, wanted) for value in values for wanted in rule.values)
    if rule.test in (Asks.IS, Asks.IN):
        return any(_equal(value, wanted) for value in values for wanted in rule.values)
    if rule.test in (Asks.BEFORE, Asks.AFTER, Asks.IN_LAST_DAYS):
        low, high = date_bounds(rule, at)
        dates = [value for value in values if isinstance(value, str) and re.search(DATE_SHAPE, value)]
        return any((not low or value >= low) and (not high or value < high) for value in dates)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    first: Any = rule.values[0]
    if rule.test is Asks.GREATER:
        return any(value > first for value in numbers)
    if rule.test is Asks.LESS:
        return any(value < first for value in numbers)
    last: Any = rule.values[1]
    return any(first <= value <= last for value in numbers)


def _equal(one: object, other: object) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _parse(document: Any, path: str, depth: int, budget: list[int]) -> Rule:
    if not isinstance(document, dict):
        raise _wrong(path, "a rule is an object")
    if depth == 0:
        raise _wrong(path, f"rules are nested more than {DEEPEST} deep")
    for key, every in (("all", True), ("any", False)):
        if key in document:
            _only(document, {key}, path)
            inner = document[key]
            if not isinstance(inner, list):
                raise _wrong(f"{path}/{key}", "this must be a list of rules")
            if not every and not inner:
                raise _wrong(f"{path}/{key}", "this needs at least one rule")
            parsed = (_parse(each, f"{path}/{key}/{i}", depth - 1, budget) for i, each in enumerate(inner))
            return Group(every, tuple(parsed))
    if "not" in document:
        _only(document, {"not"}, path)
        return Not(_parse(document["not"], f"{path}/not", depth - 1, budget))
    budget[0] -= 1
    if budget[0] < 0:
        raise _wrong(path, f"a segment has at most {MOST_CONDITIONS} conditions")
    if "attribute" in document:
        return _attribute(document, path)
    if "event" in document:
        return _event(document, path)
    raise _wrong(path, "a rule has one of: all, any, not, attribute, event")


def _attribute(document: dict[str, Any], path: str) -> Attribute:
    _only(document, {"attribute", "test", "value"}, path)
    name = _name(document["attribute"], f"{path}/attribute")
    try:
        test = Asks(document.get("test", ""))
    except ValueError:
        raise _wrong(f"{path}/test", f"this must be one of: {', '.join(Asks)}") from None
    return Attribute(name, test, _values(test, document.get("value"), f"{path}/value"))


def _values(test: Asks, value: Any, path: str) -> tuple[Scalar, ...]:
    if test in (Asks.SET, Asks.UNSET):
        if value is not None:
            raise _wrong(path, f"{test} takes no value")
        return ()
    if test is Asks.IN:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
            raise _wrong(path, f"this must be a list of 1 to {MOST_VALUES} values")
        return tuple(_scalar(each, f"{path}/{i}") for i, each in enumerate(value))
    if test in (Asks.IS, Asks.IS_NOT):
        return (_scalar(value, path),)
    if test in (Asks.GREATER, Asks.LESS):
        return (_number(value, path),)
    if test is Asks.BETWEEN:
        if not isinstance(value, list) or len(value) != 2:
            raise _wrong(path, "this must be a list of two numbers")
        low, high = (_number(each, f"{path}/{i}") for i, each in enumerate(value))
        if low > high:
            raise _wrong(path, "the first number must not be greater than the second")
        return (low, high)
    if test is Asks.IN_LAST_DAYS:
        return (_whole(value, path, 1, MOST_DAYS),)
    return (_date(value, path),)


def _event(document: dict[str, Any], path: str) -> Event:
    _only(document, {"event", "at_least", "at_most", "within_days"}, path)
    at_most = document.get("at_most")
    most = None if at_most is None else _whole(at_most, f"{path}/at_most", 0, _MOST_TIMES)
    least = _whole(document.get("at_least", 1 if most is None else 0), f"{path}/at_least", 0, _MOST_TIMES)
    if most is not None and least > most:
        raise _wrong(f"{path}/at_most", "this must not be less than at_least")
    if most is None and least == 0:
        raise _wrong(f"{path}/at_least", "at least 0 times is true of everyone")
    days = document.get("within_days")
    within = None if days is None else _whole(days, f"{path}/within_days", 1, MOST_DAYS)
    return Event(_name(document["event"], f"{path}/event"), least, most, within)


def _name(value: Any, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not _is_text(value):
        raise _wrong(path, "this must be a name of 1 to 255 characters")
    return value


def _scalar(value: Any, path: str) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value, path)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and _is_text(value):
        return value
    raise _wrong(path, f"this must be a number, true, false, or text of 1 to {LONGEST_TEXT} characters")


def _is_text(value: str) -> bool:
    """Half of a surrogate pair, which JSON can spell, is no character: nothing can keep it."""
    return not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in value)


def _number(value: Any, path: str) -> int | float:
    most = 2**63 if isinstance(value, int) else 1e300  # a whole number is kept in 64 bits
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < most:
        return value
    raise _wrong(path, "this must be a number")


def _whole(value: Any, path: str, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise _wrong(path, f"this must be a whole number from {least} to {most:,}")


def _date(value: Any, path: str) -> str:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value).isoformat()
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        pass
    raise _wrong(path, "this must be a date such as 2026-03-01, or a moment such as 2026-03-01T09:30:00Z")


def _only(document: dict[str, Any], known: set[str], path: str) -> None:
    if unknown := sorted(set(document) - known):
        raise _wrong(path, f"{unknown[0]!r} does not belong here; known are {', '.join(sorted(known))}")


def _wrong(path: str, what: str) -> Invalid:
    return Invalid(f"The rule at {path or '/'}: {what}.", field="rule", path=path)
