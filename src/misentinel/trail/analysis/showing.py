"""An answer as others take it: bars or a line for a picture, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

from misentinel.trail.analysis.contracts import Answer

MOST_BARS, MOST_POINTS = 30, 400
WIDTH, HEIGHT, BAR, LABEL = 720, 220, 26, 230
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: str
    y: int
    length: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw: `bars`, or `points` of a line in SVG's notation. `title` says what of what."""

    title: str
    height: int
    bars: tuple[Bar, ...] = ()
    points: str = ""
    first: str = ""
    last: str = ""
    top: str = ""


def chart_of(answer: Answer) -> Chart | None:
    """Returns a picture where an answer has one: a name or a moment first, a number last. Moments make a line."""
    rows = answer.rows
    if len(answer.columns) < 2 or len(rows) < 2 or not all(_is_number(row[-1]) and row[-1] >= 0 for row in rows):
        return None
    if any(row[0] is None or _is_number(row[0]) for row in rows) or not (top := max(row[-1] for row in rows)):
        return None
    title = f"{answer.columns[-1]} by {answer.columns[0]}"
    if all(isinstance(row[0], str) and _MOMENT.fullmatch(row[0]) for row in rows) and len(rows) <= MOST_POINTS:
        return _line(title, sorted(rows, key=lambda row: row[0]), top)
    if len(rows) > MOST_BARS:
        return None
    room = WIDTH - LABEL - 90
    bars = (
        Bar(str(row[0])[:34], f"{row[-1]:,}", number * BAR, max(1, round(room * row[-1] / top)))
        for number, row in enumerate(rows)
    )
    return Chart(title, BAR * len(rows), bars=tuple(bars))


def csv_of(answer: Answer) -> str:
    """Returns the answer as CSV (RFC 4180). What a spreadsheet would run as a formula begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(map(_harmless, answer.columns))
    writer.writerows([_harmless(cell) for cell in row] for row in answer.rows)
    return out.getvalue()


def _line(title: str, rows: list[list[Any]], top: float) -> Chart:
    step = (WIDTH - 20) / (len(rows) - 1)
    points = " ".join(
        f"{10 + number * step:.1f},{HEIGHT - 10 - (HEIGHT - 20) * row[-1] / top:.1f}" for number, row in enumerate(rows)
    )
    return Chart(title, HEIGHT, points=points, first=rows[0][0], last=rows[-1][0], top=f"{top:,}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
