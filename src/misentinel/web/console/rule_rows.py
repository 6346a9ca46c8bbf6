"""A segment's rule as rows of a form, and back. Pure.

A rule that is one list of conditions, all or any of them, is edited in rows. Deeper ones, which programs may make, are
edited as JSON: they are never flattened into something that means less.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from misentinel.kernel import canonical
from misentinel.kernel.errors import Invalid
from misentinel.segments.rules import Asks

ATTRIBUTE, EVENT = "attribute", "event"
TESTS: dict[str, str] = {
    Asks.IS: "is", Asks.IS_NOT: "is not", Asks.IN: "is one of", Asks.GREATER: "is more than", Asks.LESS: "is less than",
    Asks.BETWEEN: "is between", Asks.SET: "is known", Asks.UNSET: "is not known", Asks.BEFORE: "is before",
    Asks.AFTER: "is after", Asks.IN_LAST_DAYS: "is within the last days",
}  # fmt: skip
EVENT_TESTS = {"at_least": "at least", "at_most": "at most", "never": "never"}
VALUELESS = {Asks.SET.value, Asks.UNSET.value, "never"}
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,12})?")


@dataclass(frozen=True, slots=True)
class Row:
    """One condition as it is typed. `days` narrows an event to so many days back."""

    kind: str
    name: str = ""
    test: str = ""
    value: str = ""
    days: str = ""
    error: str = ""

    @property
    def choices(self) -> list[tuple[str, str]]:
        return list((EVENT_TESTS if self.kind == EVENT else TESTS).items())


@dataclass(frozen=True, slots=True)
class RuleForm:
    """What the editor shows: rows that all or any have to hold, or JSON for a rule that rows cannot show."""

    match: str = "all"
    rows: list[Row] = field(default_factory=list)
    document: str = ""

    @property
    def as_json(self) -> bool:
        return bool(self.document)


def from_post(post: Any) -> RuleForm:
    """Reads what the browser sent; rows that are wholly empty are left out."""
    if post.get("document"):
        return RuleForm(document=post["document"])
    columns = [post.getlist(f"row-{name}") for name in ("kind", "name", "test", "value", "days")]
    rows = [Row(*(text.strip() for text in cells)) for cells in zip(*columns, strict=False)]
    match = "any" if post.get("match") == "any" else "all"
    return RuleForm(match, [row for row in rows if row.name or row.value])


def from_rule(rule: Mapping[str, Any]) -> RuleForm:
    match = "any" if "any" in rule else "all"
    listed = rule.get(match)
    conditions = listed if isinstance(listed, list) else [rule]
    rows = [_row(condition) for condition in conditions]
    if None in rows:
        return RuleForm(document=json.dumps(rule, indent=2, ensure_ascii=False))
    return RuleForm(match, [row for row in rows if row is not None])


def to_rule(form: RuleForm) -> dict[str, Any]:
    """Returns the rule's JSON. Raises `Invalid` with `path` where a row cannot be read."""
    if form.as_json:
        try:
            document = canonical.loads(form.document)
        except json.JSONDecodeError as error:  # orjson's own is one: deep, huge and unpaired things too
            raise Invalid(f"This is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
        except (ValueError, RecursionError):  # a number of thousands of digits, brackets thousands deep
            raise Invalid("This JSON is too deep, or a number in it is too long.") from None
        if not isinstance(document, dict):
            raise Invalid("A rule is a JSON object.")
        return document
    if not form.rows:
        raise Invalid("Add at least one rule. For everybody, use the segment Everyone.")
    return {form.match: [_condition(row, f"/{form.match}/{i}") for i, row in enumerate(form.rows)]}


def marked(form: RuleForm, error: Invalid) -> RuleForm:
    """Returns the form with `error` at the row it speaks of, if it speaks of one."""
    found = re.match(r"/(?:all|any)/(\d+)", str(error.details.get("path", "")))
    if form.as_json or not found or int(found[1]) >= len(form.rows):
        return form
    message = re.sub(r"^The rule at \S+: ", "", error.message)
    at = int(found[1])
    rows = [
        Row(row.kind, row.name, row.test, row.value, row.days, message[:1].upper() + message[1:] if i == at else "")
        for i, row in enumerate(form.rows)
    ]
    return RuleForm(form.match, rows)


def told(rule: Mapping[str, Any]) -> str:
    """Returns the rule in words, for example "plan is pro, and Order Completed at least 2 times"."""
    for key, joint in (("all", ", and "), ("any", ", or ")):
        if key in rule:
            parts = [told(each) if not {"all", "any"} & set(each) else f"({told(each)})" for each in rule[key]]
            return joint.join(parts) or "Everybody"
    if "not" in rule:
        return f"not ({told(rule['not'])})"
    row = _row(rule)
    if row is None:
        return json.dumps(rule)
    if row.kind == EVENT:
        return _event_told(row)
    return " ".join(filter(None, (row.name, TESTS[row.test], "" if row.test in VALUELESS else row.value)))


def _event_told(row: Row) -> str:
    often = {"at_least": f"at least {_times(row.value)}", "at_most": f"at most {_times(row.value)}"}
    when = f" in the last {row.days} days" if row.days else ""
    if row.test == "never":
        return f"no {row.name}{when}"
    return f"{row.name}{when}" if (row.test, row.value) == ("at_least", "1") else f"{row.name} {often[row.test]}{when}"


def _times(value: str) -> str:
    return "once" if value == "1" else f"{value} times"


def _row(condition: Mapping[str, Any]) -> Row | None:
    """Returns the condition as a row, or None where a row cannot show it."""
    if "attribute" in condition:
        value = condition.get("value")
        values = value if isinstance(value, list) else [] if value is None else [value]
        return Row(ATTRIBUTE, str(condition["attribute"]), condition["test"], ", ".join(map(_typed, values)))
    if "event" not in condition or {"at_least", "at_most"} <= set(condition):
        return None
    days = str(condition.get("within_days") or "")
    if condition.get("at_most") == 0:
        return Row(EVENT, condition["event"], "never", "", days)
    test = "at_most" if "at_most" in condition else "at_least"
    return Row(EVENT, condition["event"], test, str(condition.get(test, 1)), days)


def _condition(row: Row, path: str) -> dict[str, Any]:
    if row.kind == EVENT:
        condition: dict[str, Any] = {"event": row.name}
        if row.test == "never":
            condition["at_most"] = 0
        elif row.test in EVENT_TESTS:
            condition[row.test] = _whole(row.value or "1", f"{path}/{row.test}")
        if row.days:
            condition["within_days"] = _whole(row.days, f"{path}/within_days")
        return condition
    condition = {"attribute": row.name, "test": row.test}
    if row.test in (Asks.IN, Asks.BETWEEN):
        condition["value"] = [_read(part.strip()) for part in row.value.split(",") if part.strip()]
    elif row.test in (Asks.BEFORE, Asks.AFTER):
        condition["value"] = row.value
    elif row.test not in VALUELESS:
        condition["value"] = _read(row.value)
    return condition


def _whole(text: str, path: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid("this must be a whole number", path=path)
    return int(text)


def _read(text: str) -> str | int | float | bool:
    """Numbers, true and false mean themselves; in double quotes they are text."""
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return f'"{text}"' if isinstance(value, str) and not isinstance(_read(text), str) else text
