"""Pictures and spreadsheets of answers, saved questions, and the examples that the page offers."""

from __future__ import annotations

import csv
import io
from uuid import uuid4

import pytest

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Tampered
from misentinel.trail import queries
from misentinel.trail.actions import record
from misentinel.trail.analysis import asking, saved
from misentinel.trail.analysis.contracts import Answer, Question
from misentinel.trail.analysis.examples import EXAMPLES
from misentinel.trail.analysis.showing import MOST_BARS, chart_of, csv_of
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.models import SavedQuery

ME = system("test")


def answer(*rows: list, columns: tuple[str, ...] = ("tag", "n")) -> Answer:
    return Answer(columns, list(rows), False, 0.1)


def test_names_with_numbers_make_bars() -> None:
    chart = chart_of(answer(["person:view", 40], ["person:list", 10]))
    assert chart.title == "n by tag" and [bar.value for bar in chart.bars] == ["40", "10"]
    assert chart.bars[0].length == 4 * chart.bars[1].length


def test_moments_with_numbers_make_a_line_in_order_of_time() -> None:
    chart = chart_of(answer(["2026-03-02 00:00:00", 4], ["2026-03-01 00:00:00", 2]))
    assert chart.bars == () and chart.points.startswith("10.0,") and chart.first < chart.last and chart.top == "4"


@pytest.mark.parametrize(
    "rows", [[["a", 1]], [["a", "x"], ["b", "y"]], [[1, 2], [3, 4]], [["a", -1], ["b", 2]], [["a", 0], ["b", 0]],
             [["a", True], ["b", False]], [[f"t{n}", 1] for n in range(MOST_BARS + 1)], [[None, 1], ["b", 2]]]
)  # fmt: skip
def test_what_makes_no_picture_has_none(rows) -> None:
    assert chart_of(answer(*rows)) is None


def test_a_spreadsheet_is_given_no_formula() -> None:
    told = csv_of(answer(["=cmd|' /C calc'!A0", 1], ["a,b", None], ["@x", 2]))
    assert list(csv.reader(io.StringIO(told))) == [
        ["tag", "n"],
        ["'=cmd|' /C calc'!A0", "1"],
        ["a,b", ""],
        ["'@x", "2"],
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_answered(name, acme) -> None:
    with acme.atomic():
        record(acme, ME, Tag.PERSON_VIEW, person_id=uuid4())
    asking.answer_over(queries.log_of(acme), Question(EXAMPLES[name]))


def test_a_saved_question_is_sealed_and_told(acme, bolt) -> None:
    asked = "SELECT 'zoe@example.com'"
    kept = saved.save_question(acme, ME, " About Zoe ", asked)
    assert [(one.name, one.sql) for one in saved.list_saved(acme)] == [("About Zoe", asked)]
    row = SavedQuery.objects.using(acme.alias).get(id=kept)
    assert b"zoe" not in bytes(row.text)
    with pytest.raises(NotFound):
        saved.get_saved(bolt, kept)
    with pytest.raises(Conflict):
        saved.save_question(acme, ME, "About Zoe", "SELECT 1")
    with pytest.raises(Invalid):
        saved.save_question(acme, ME, " ", "SELECT 1")
    SavedQuery.objects.using(acme.alias).filter(id=kept).update(text=bytes(row.text)[:-1] + bytes([row.text[-1] ^ 1]))
    with pytest.raises(Tampered):
        saved.get_saved(acme, kept)
    saved.delete_saved(acme, ME, kept)
    with pytest.raises(NotFound):
        saved.delete_saved(acme, ME, kept)
    tags = [entry.tag for entry in queries.list_entries(acme, EntryFilter(object_kind="query")).entries]
    assert tags == [Tag.QUERY_DELETE, Tag.QUERY_SAVE]
