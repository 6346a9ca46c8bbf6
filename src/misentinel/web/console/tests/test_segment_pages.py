"""Segments are made and changed in the editor, counted while they are written, and a mistake loses no input."""

import re
from html import unescape

import pytest

from misentinel.segments.queries import list_segments
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web.console.tests.test_people_pages import identify, tell
from tests.cast import hire, signed_in

PRO = {
    "name": "Pro customers", "match": "all", "row-kind": "attribute", "row-name": "plan", "row-test": "is",
    "row-value": "pro", "row-days": "",
}  # fmt: skip


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha Rao"))


def own(store):
    return [segment for segment in list_segments(store) if not segment.builtin]


def test_a_segment_is_made_changed_and_deleted(asha, acme):
    asha.post("/segments/new", PRO)
    (made,) = own(acme)
    assert made.rule == {"all": [{"attribute": "plan", "test": "is", "value": "pro"}]}
    asha.post(f"/segments/{made.id}", {**PRO, "row-value": "team"})
    assert own(acme)[0].rule["all"][0]["value"] == "team"
    asha.post(f"/segments/{made.id}/delete")
    assert own(acme) == []
    for tag in (Tag.SEGMENT_CREATE, Tag.SEGMENT_EDIT, Tag.SEGMENT_DELETE):
        assert list_entries(acme, EntryFilter(tag=tag)).entries, tag


def test_the_preview_counts_and_names_whom_the_rule_means_now(asha, acme):
    tell(acme, identify("u-1", firstName="Ada", plan="pro"), identify("u-2", firstName="Grace", plan="free"))
    page = asha.post("/segments/preview", PRO).content.decode()
    assert re.search(r'figure-value">1<', page) and "Ada" in page and "Grace" not in page


def test_a_mistake_keeps_every_row_and_says_which_one_is_wrong(asha, acme):
    wrong = {**PRO, "row-test": "greater", "row-value": "many"}
    page = asha.post("/segments/new", wrong)
    assert page.status_code == 422
    assert b"many" in page.content and b"rule-error" in page.content
    assert own(acme) == []


@pytest.mark.parametrize(
    "document", ["[" * 100_000, '{"attribute": "a", "test": "is", "value": %s}' % ("1" * 5000), r'{"event": "\ud800"}']
)
def test_json_that_nothing_could_keep_is_refused_and_kept_in_the_form(asha, acme, document):
    page = asha.post("/segments/new", {"name": "Odd", "document": document})
    assert page.status_code == 422 and document[:20] in unescape(page.content.decode())
    assert asha.post("/segments/preview", {"document": document}).status_code == 200
    assert own(acme) == []


def test_a_name_that_is_taken_is_told_at_the_name(asha):
    asha.post("/segments/new", PRO)
    page = asha.post("/segments/new", PRO)
    assert page.status_code in (409, 422)
    assert b"already" in page.content and b'aria-invalid="true"' in page.content


def test_everyone_cannot_be_edited_nor_deleted(asha, acme):
    everyone = next(segment for segment in list_segments(acme) if segment.builtin)
    assert asha.get(f"/segments/{everyone.id}").status_code == 404
    assert asha.post(f"/segments/{everyone.id}/delete").status_code == 404


def test_a_segment_of_another_customer_answers_as_one_that_does_not_exist(asha, bolt):
    mallory = signed_in(hire(bolt.customer_id, "Mallory Vane"))
    mallory.post("/segments/new", PRO)
    theirs = own(bolt)[0]
    assert asha.get(f"/segments/{theirs.id}").status_code == 404
    assert asha.post(f"/segments/{theirs.id}", PRO).status_code == 404
    assert own(bolt) == [theirs]


def test_ben_without_user_data_neither_sees_nor_makes_segments(acme):
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission.USER_DATA}))
    for answer in (ben.get("/segments"), ben.post("/segments/new", PRO), ben.post("/segments/preview", PRO)):
        assert answer.status_code == 403
    assert own(acme) == []


def test_a_row_of_a_kind_that_there_is_not_is_not_found(asha):
    assert asha.get("/segments/rows/attribute").status_code == asha.get("/segments/rows/event").status_code == 200
    assert asha.get("/segments/rows/nonsense").status_code == 404
