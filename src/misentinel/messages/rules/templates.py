"""Liquid templates, parsed once and rendered for many people.

Promises that a template reaches no file, no other template and no Python object; that what a person wrote
about themselves is always escaped in HTML; that a mistake is told with line and column when the message is
saved; and that no template takes memory or time without bound. The language is Shopify's Liquid,
https://shopify.github.io/liquid/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, ClassVar

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError

from misentinel.kernel.errors import Invalid, TooLarge
from misentinel.messages.rules.plain import html_from_text, text_from_html

SOURCE_LIMIT = 200_000
OUTPUT_LIMIT = 500_000
SUBJECT_LIMIT = 255

_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_NEVER_TAGS = ("include", "render")
_NEVER_FILTERS = ("safe", "escapejs")
_MULTIPLYING_FILTERS = ("replace", "replace_first", "replace_last", "join")
# What a filter of the library raises when it is given something that it was not made for.
_FAILURES = (
    LiquidError,
    ArithmeticError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class Content:
    """What an author writes. Either `html` or `text` may be empty: it is then made from the other."""

    subject: str
    html: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one person gets. `subject` is a single line."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A content whose three templates are parsed."""

    subject: BoundTemplate
    html: BoundTemplate
    text: BoundTemplate

    def render(self, context: Mapping[str, Any]) -> Rendered:
        """Returns the content for one person.

        Raises `Invalid` when a filter or a limit refuses their values.
        """
        return Rendered(
            subject=_one_line(_render("subject", self.subject, context)),
            html=_render("html", self.html, context),
            text=_render("text", self.text, context),
        )


@lru_cache(maxsize=512)
def compile_content(content: Content) -> Compiled:
    """Returns `content` parsed.

    Raises `Invalid` with `field`, `line` and `column` (from 1) where it is mistaken.
    """
    html = content.html if content.html.strip() else html_from_text(content.text)
    text = content.text if content.text.strip() else text_from_html(content.html)
    return Compiled(
        subject=_parse("subject", _PLAIN, content.subject),
        html=_parse("html", _HTML, html),
        text=_parse("text", _PLAIN, text),
    )


def check_content(content: Content) -> Compiled:
    """Returns `content` parsed, after trying it on a person of whom nothing is known. Raises `Invalid`."""
    if not content.subject.strip():
        raise Invalid("A message needs a subject.", field="subject")
    if not content.html.strip() and not content.text.strip():
        raise Invalid("A message needs a body.", field="html")
    compiled = compile_content(content)
    compiled.render({})
    return compiled


def context_for(
    person_id: str, traits: Mapping[str, Any], event: Mapping[str, Any] | None, unsubscribe_url: str
) -> dict[str, Any]:
    """Returns what templates may name:

    each trait, `person`, `event` (auto messages) and `unsubscribe_url`.
    """
    return {
        **traits,
        "person": {**traits, "id": person_id},
        "event": dict(event or {}),
        "unsubscribe_url": unsubscribe_url,
    }


class _Sandbox(Environment):
    block_nesting_limit: ClassVar[int] = 20
    context_depth_limit: ClassVar[int] = 20
    loop_iteration_limit: ClassVar[int | None] = 10_000
    local_namespace_limit: ClassVar[int | None] = 200_000
    output_stream_limit: ClassVar[int | None] = OUTPUT_LIMIT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in _NEVER_TAGS:
            self.tags.pop(tag, None)
        for name in _NEVER_FILTERS:
            self.filters.pop(name, None)
        for name, function in self.filters.items():
            self.filters[name] = _bounded(name, function)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses ranges, which a filter would unroll in memory, and what would multiply text by text."""

    @wraps(function)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(part, range) for part in (value, *args)):
            raise LiquidError(f"{name} does not take a range", token=None)
        if name in _MULTIPLYING_FILTERS and _length(value) * max(map(_length, args), default=0) > OUTPUT_LIMIT:
            raise LiquidError(f"{name} would produce too much text", token=None)
        return function(value, *args, **kwargs)

    return bounded


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else len(str(value))


_HTML = _Sandbox(autoescape=True)
_PLAIN = _Sandbox(autoescape=False)


def _parse(field: str, environment: Environment, source: str) -> BoundTemplate:
    if len(source) > SOURCE_LIMIT:
        raise TooLarge(f"The {field} is longer than {SOURCE_LIMIT:,} characters.", field=field)
    try:
        return environment.from_string(source)
    except (LiquidError, RecursionError) as error:
        raise _mistake(field, error, source) from error


def _render(field: str, template: BoundTemplate, context: Mapping[str, Any]) -> str:
    try:
        return template.render(context)
    except _FAILURES as error:
        raise _mistake(field, error) from error


def _mistake(field: str, error: BaseException, source: str = "") -> Invalid:
    """An error that names its place. It quotes the template's words, never a value of the person's."""
    place = _place(error, source)
    if isinstance(error, LiquidError) and place:
        line, column = place
        return Invalid(
            f"The {field} has a mistake at line {line}, column {column}: {error.message}.",
            field=field,
            line=line,
            column=column,
        )
    reason = str(error.message) if isinstance(error, LiquidError) else type(error).__name__
    return Invalid(f"The {field} cannot be made: {reason}.", field=field)


def _place(error: BaseException, source: str) -> tuple[int, int] | None:
    token = getattr(error, "token", None)
    if token is not None and token.start_index >= 0:
        before = token.source[: token.start_index]
    elif source:  # something was still open at the end
        before = source
    else:
        return None
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()[:SUBJECT_LIMIT]
