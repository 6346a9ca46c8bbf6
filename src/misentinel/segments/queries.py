"""Reading segments, and finding the people that a rule means. Every value travels as a parameter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from misentinel.kernel import canonical
from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.people.queries import list_attributes
from misentinel.people.rules import match_of
from misentinel.segments import rules
from misentinel.segments.contracts import SegmentView, Selection
from misentinel.segments.models import SegmentRow
from misentinel.segments.rules import Asks, Attribute, Event, Group, Not, Rule, Scalar
from misentinel.store.contracts import Store
from misentinel.vault import actions as vault_actions
from misentinel.vault import queries as vault
from misentinel.vault.contracts import PersonKey, Place

EVERYONE_ID = UUID(int=0)
EVERYONE_NAME = "Everyone"
_BEGINNING = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_CHOSEN = sql.SQL("SELECT p.id FROM people_person p WHERE p.merged_into IS NULL AND {where}")
_COUNT = sql.SQL("SELECT count(*) FROM ({chosen}) chosen")
_SAMPLE = sql.SQL("SELECT id FROM ({chosen}) chosen ORDER BY id DESC LIMIT %s")
_WHO = sql.SQL("SELECT e.person_id FROM events_event e WHERE e.name = %s AND e.at >= %s")
_DATES = f'@ like_regex "{rules.DATE_SHAPE}"'


def list_segments(store: Store) -> list[SegmentView]:
    """Every segment by name, *Everyone* first."""
    key = content_key(store)
    return [_everyone(), *(_view(row, key) for row in SegmentRow.objects.using(store.alias).order_by("name"))]


def get_segment(store: Store, segment_id: UUID) -> SegmentView:
    """Returns the segment. Raises `NotFound`."""
    if segment_id == EVERYONE_ID:
        return _everyone()
    row = SegmentRow.objects.using(store.alias).filter(id=segment_id).first()
    if row is None:
        raise NotFound("There is no such segment.")
    return _view(row, content_key(store))


def select(store: Store, rule: dict[str, Any]) -> Selection:
    """Returns SQL for the ids of the people whom `rule` means. Raises `Invalid`."""
    tokens = vault.tokens(store.customer_id)
    in_clear = frozenset(attribute.name for attribute in list_attributes(store) if not attribute.personal)

    def shape(name: str, value: Scalar) -> Scalar | None:
        if name == "email_domain" and isinstance(value, str):
            return tokens.domain(value)
        if name == "email" and isinstance(value, str):
            return tokens.email(value)
        shaped: Scalar | None = match_of({name: value}, tokens, in_clear).get(name)
        return shaped

    where, params = compile_rule(rules.resolve(rules.parse(rule), shape), now())
    return Selection(_CHOSEN.format(where=where), tuple(params))


def count(store: Store, rule: dict[str, Any]) -> int:
    """Returns how many people `rule` means at this moment."""
    chosen = select(store, rule)
    with store.connection.cursor() as cursor:
        cursor.execute(_COUNT.format(chosen=chosen.sql), chosen.params)
        (number,) = cursor.fetchone()
    return int(number)


def sample(store: Store, rule: dict[str, Any], size: int = 10) -> list[UUID]:
    """Returns the ids of a few of the people whom `rule` means, the latest made first."""
    chosen = select(store, rule)
    with store.connection.cursor() as cursor:
        cursor.execute(_SAMPLE.format(chosen=chosen.sql), (*chosen.params, size))
        return [person_id for (person_id,) in cursor.fetchall()]


def content_key(store: Store) -> PersonKey:
    """The key under which what belongs to the customer, and to no one person, is sealed."""
    return vault_actions.mint_person_keys(store.customer_id, [store.customer_id])[store.customer_id]


def place_of(segment_id: UUID) -> Place:
    return Place("segments_segment", "sealed", segment_id)


def compile_rule(rule: Rule, at: datetime) -> tuple[sql.Composable, list[Any]]:
    """Returns a condition on `people_person p` for a resolved rule, with its parameters."""
    if isinstance(rule, Group):
        parts = [compile_rule(each, at) for each in rule.rules]
        if not parts:
            return sql.SQL("TRUE"), []
        joined = sql.SQL(" AND " if rule.every else " OR ").join(part for part, _ in parts)
        return sql.SQL("({})").format(joined), [param for _, params in parts for param in params]
    if isinstance(rule, Not):
        inner, params = compile_rule(rule.rule, at)
        return sql.SQL("NOT ({})").format(inner), params
    if isinstance(rule, Event):
        return _event(rule, at)
    return _attribute(rule, at)


def _event(rule: Event, at: datetime) -> tuple[sql.Composable, list[Any]]:
    since = at - timedelta(days=rule.within_days) if rule.within_days is not None else _BEGINNING
    params: list[Any] = [rule.name, since]
    if rule.at_least == 0:
        if not rule.at_most:
            return sql.SQL("p.id NOT IN ({})").format(_WHO), params
        return sql.SQL("p.id NOT IN ({} GROUP BY 1 HAVING count(*) > %s)").format(_WHO), [*params, rule.at_most]
    if rule.at_most is not None:
        between = sql.SQL("p.id IN ({} GROUP BY 1 HAVING count(*) BETWEEN %s AND %s)").format(_WHO)
        return between, [*params, rule.at_least, rule.at_most]
    if rule.at_least > 1:
        return sql.SQL("p.id IN ({} GROUP BY 1 HAVING count(*) >= %s)").format(_WHO), [*params, rule.at_least]
    return sql.SQL("p.id IN ({})").format(_WHO), params


def _attribute(rule: Attribute, at: datetime) -> tuple[sql.Composable, list[Any]]:
    if rule.test is Asks.SET:
        return sql.SQL("p.match ? %s"), [rule.name]
    if rule.test is Asks.UNSET:
        return sql.SQL("NOT p.match ? %s"), [rule.name]
    if rule.test in (Asks.IS, Asks.IN, Asks.IS_NOT):
        if not rule.values:
            return sql.SQL("TRUE" if rule.test is Asks.IS_NOT else "FALSE"), []
        # An attribute may hold one value or a list; both containments are answered by the index.
        either = sql.SQL(" OR ").join([sql.SQL("p.match @> %s OR p.match @> %s")] * len(rule.values))
        params = [Jsonb({rule.name: shape}) for value in rule.values for shape in (value, [value])]
        return sql.SQL("NOT ({})" if rule.test is Asks.IS_NOT else "({})").format(either), list(params)
    return _range(rule, at)


def _range(rule: Attribute, at: datetime) -> tuple[sql.Composable, list[Any]]:
    bounds: dict[str, Any]
    if rule.test in (Asks.BEFORE, Asks.AFTER, Asks.IN_LAST_DAYS):
        low, high = rules.date_bounds(rule, at)
        bounds = {name: bound for name, bound in (("low", low), ("high", high)) if bound}
        tests = [_DATES, *(["@ >= $low"] if low else []), *(["@ < $high"] if high else [])]
    elif rule.test is Asks.BETWEEN:
        bounds, tests = {"low": rule.values[0], "high": rule.values[1]}, ["@ >= $low", "@ <= $high"]
    else:
        bounds, tests = {"low": rule.values[0]}, ["@ > $low" if rule.test is Asks.GREATER else "@ < $low"]
    path = f"$[*] ? ({' && '.join(tests)})"
    passes = sql.SQL("COALESCE(jsonb_path_exists(p.match -> %s, %s::jsonpath, %s), FALSE)")
    return passes, [rule.name, path, Jsonb(bounds)]


def _everyone() -> SegmentView:
    return SegmentView(EVERYONE_ID, EVERYONE_NAME, {"all": []}, True, _BEGINNING, _BEGINNING)


def _view(row: SegmentRow, key: PersonKey) -> SegmentView:
    rule = canonical.loads(key.open(place_of(row.id), bytes(row.sealed)))
    return SegmentView(row.id, row.name, rule, False, row.created_at, row.updated_at)
