"""The page that asks the trail: for whom, what it shows, and that it shows nobody else's."""

from __future__ import annotations

import pytest

from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from tests.cast import hire, signed_in

PAGE = "/trail/questions"
BY_TAG = "SELECT tag, count(*) AS n FROM entries GROUP BY tag ORDER BY n DESC"


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha"))


def test_a_question_is_answered_with_a_table_and_a_picture(acme, asha) -> None:
    answered = asha.post(PAGE, {"sql": BY_TAG})
    assert answered.status_code == 200
    told = answered.content.decode()
    assert "teammate:invite" in told and "<svg" in told and "n by tag" in told
    assert list_entries(acme, EntryFilter(tag=Tag.TRAIL_QUERY)).entries[0].details["count"] > 0


def test_what_is_no_question_is_said_so_and_nothing_is_shown(asha) -> None:
    answered = asha.post(PAGE, {"sql": "SELECT * FROM read_text('/etc/passwd')"})
    assert answered.status_code == 422
    assert b"does not only compute" in answered.content and b"root:" not in answered.content


def test_values_are_shown_as_text(asha) -> None:
    answered = asha.post(PAGE, {"sql": "SELECT '<script>alert(1)</script>' AS \"<b>\", 2"})
    assert b"&lt;script&gt;" in answered.content and b"<script>alert" not in answered.content


def test_an_answer_goes_out_as_a_file_only_with_the_permission_to_export(acme, asha) -> None:
    answered = asha.post(PAGE, {"sql": BY_TAG, "as": "csv"})
    assert answered["Content-Type"].startswith("text/csv") and answered.content.startswith(b"tag,n\r\n")
    ben = signed_in(hire(acme.customer_id, "Ben", [Permission.TRAIL]))
    assert ben.post(PAGE, {"sql": BY_TAG}).status_code == 200
    assert ben.post(PAGE, {"sql": BY_TAG, "as": "csv"}).status_code == 403


def test_without_the_permission_for_the_trail_nothing_is_asked(acme) -> None:
    ben = signed_in(hire(acme.customer_id, "Ben", [Permission.USER_DATA]))
    assert ben.get(PAGE).status_code == 403
    assert ben.post(PAGE, {"sql": BY_TAG}).status_code == 403


def test_a_question_is_saved_asked_again_and_removed(asha) -> None:
    saved = asha.post(f"{PAGE}/save", {"sql": "SELECT 42 AS saved", "name": "The answer"})
    assert saved.status_code == 302
    page = asha.get(PAGE).content.decode()
    link = page.split("?saved=")[1].split('"')[0]
    assert "SELECT 42 AS saved" in asha.get(f"{PAGE}?saved={link}").content.decode()
    assert asha.post(f"{PAGE}/{link}/delete").status_code == 302
    assert "The answer" not in asha.get(PAGE).content.decode()
    assert asha.get(f"{PAGE}?saved={link}").status_code == 404
