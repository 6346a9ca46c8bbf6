"""What rules may see of a sealed document, and how what is known about a person grows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from misentinel.vault.contracts import Tokens

MOST_FIELDS = 200
MOST_ELEMENTS = 50
LONGEST_TEXT = 1024
MOST_ANONYMOUS_IDS = 20
SEARCH_FIELD = "person"
EMAIL, EMAIL_DOMAIN = "email", "email_domain"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.,]+(?:Z|[+-][0-9:]{2,6})?)?")


Memo = dict[tuple[str, str], Any]
"""Shapes of text that were made already, for the length of a batch: most fields have few values."""


def match_of(
    document: Mapping[str, Any],
    tokens: Tokens,
    in_clear: frozenset[str] = frozenset(),
    memo: Memo | None = None,
) -> dict[str, Any]:
    """Returns the searchable shape of `document`: one flat object, inner objects' fields joined with dots.

    Numbers and booleans stay; ISO 8601 dates become RFC 3339 in UTC (a date alone stays a date); other text becomes
    `tokens.value(field, text)`, an `email` its own token, with its domain's under `email_domain`; a list keeps the
    shapes of its elements. Fields named in `in_clear` keep their text. What is empty, or longer than 1,024 characters,
    is left out: it can be found only by opening the document.
    """
    found: dict[str, Any] = {}
    _add(found, "", document, tokens, in_clear, {} if memo is None else memo)
    return found


def as_date(text: str) -> str | None:
    """Returns the date or moment that `text` spells, as it is kept for comparison, or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        if len(text) == 10:
            return date.fromisoformat(text).isoformat()
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def search_tokens(traits: Mapping[str, Any], user_id: str, tokens: Tokens) -> list[str]:
    """Returns the tokens under which the person is found by the beginning of a name, an address or a user id."""
    names = ("email", "name", "firstName", "lastName", "first_name", "last_name")
    texts = [traits[name] for name in names if isinstance(traits.get(name), str)]
    found: dict[str, None] = {}
    for text in (*texts, user_id):
        if text:
            found.update(dict.fromkeys(tokens.prefixes(SEARCH_FIELD, text[:LONGEST_TEXT])))
    return list(found)


def merged_traits(known: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is known after something new was said: a null takes a trait away, anything else replaces it."""
    merged = {**known, **said}
    return {name: value for name, value in merged.items() if value is not None}


def joined_ids(ids: Iterable[str]) -> list[str]:
    """Returns distinct anonymous ids, the latest twenty."""
    return list(dict.fromkeys(ids))[-MOST_ANONYMOUS_IDS:]


def _add(
    found: dict[str, Any],
    prefix: str,
    document: Mapping[str, Any],
    tokens: Tokens,
    in_clear: frozenset[str],
    memo: Memo,
) -> None:
    for key, value in document.items():
        if len(found) >= MOST_FIELDS:
            return
        name = prefix + key
        if isinstance(value, str):
            if name == EMAIL and "@" in value:
                found[EMAIL] = tokens.email(value)
                found[EMAIL_DOMAIN] = tokens.domain(value)
            else:
                shape = _shape(name, value, tokens, in_clear, memo)
                if shape is not None:
                    found[name] = shape
        elif isinstance(value, dict):
            _add(found, name + ".", value, tokens, in_clear, memo)
        elif isinstance(value, list):
            found[name] = [
                _shape(name, each, tokens, in_clear, memo) if isinstance(each, str) else each
                for each in value[:MOST_ELEMENTS]
                if isinstance(each, str | int | float)
            ]
        elif value is not None:
            found[name] = value


def _shape(name: str, text: str, tokens: Tokens, in_clear: frozenset[str], memo: Memo) -> str | None:
    known = memo.get((name, text), False)
    if known is not False:
        shape: str | None = known
    else:
        shape = memo[name, text] = _new_shape(name, text, tokens, in_clear)
    return shape


def _new_shape(name: str, text: str, tokens: Tokens, in_clear: frozenset[str]) -> str | None:
    if not text or len(text) > LONGEST_TEXT:
        return None
    moment = as_date(text) if text[0].isdigit() else None
    if moment is not None:
        return moment
    return text if name in in_clear else tokens.value(name, text)
