"""The trail page finds entries by what a person may ask, and shows what was changed to whoever may see it."""

import html
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from misentinel.customers.actions import edit_customer
from misentinel.customers.queries import get_customer
from misentinel.kernel import clock
from misentinel.kernel.actor import system
from misentinel.kernel.ids import new_id
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.trail.actions import record, seal
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries, log_of, verifier_keys
from misentinel.trail.rules.checkpoints import Proof
from tests.cast import hire, signed_in


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha Rao"))


def entry(store, tag=Tag.SEGMENT_CREATE, **facts):
    with store.atomic():
        return record(store, system("test"), tag, **facts)


def listed(page):
    return [UUID(found) for found in re.findall(r'href="/trail/([0-9a-f-]{36})"', page.content.decode())]


def next_url(page):
    found = re.search(r'href="([^"]+)" rel="next"', page.content.decode())
    return html.unescape(found.group(1)) if found else None


def test_the_newest_entries_come_first_and_the_next_page_goes_on(asha, acme):
    made = [entry(acme, Tag.SEGMENT_CREATE, object_kind="segment", object_id=new_id()) for _ in range(60)]
    first = asha.get("/trail?tag=segment:create")
    second = asha.get(next_url(first))
    assert listed(first) + listed(second) == made[::-1]
    assert next_url(second) is None


def test_entries_are_found_by_tag_object_outcome_and_request(asha, acme):
    wanted = entry(acme, Tag.SEGMENT_DELETE, object_kind="segment", object_id="s-1")
    entry(acme, Tag.SEGMENT_CREATE, object_kind="segment", object_id="s-2")
    for query in ("tag=segment:delete", "object=s-1"):
        assert listed(asha.get(f"/trail?{query}")) == [wanted], query
    seen = next(e for e in list_entries(acme).entries if e.id == wanted)
    assert wanted in listed(asha.get(f"/trail?request_id={seen.request_id}"))
    assert listed(asha.get("/trail?outcome=failed")) == []


@pytest.mark.parametrize(
    ("zone", "hour", "shown"),
    [("Asia/Kolkata", "17:30", "17:30:00 IST"), ("America/New_York", "08:00", "08:00:00 EDT")],
)
def test_times_are_shown_and_asked_for_in_the_customers_zone(acme, zone, hour, shown):
    asha = signed_in(hire(acme.customer_id, "Asha Rao"))
    customer = get_customer(acme.customer_id)
    with clock.held(datetime(2026, 6, 1, 12, tzinfo=UTC)):
        wanted = entry(acme, Tag.SEGMENT_DELETE)
    edit_customer(system("test"), acme.customer_id, name=customer.name, time_zone=zone)
    assert f"1 Jun 2026, {shown}" in asha.get(f"/trail/{wanted}").content.decode()
    found = f"tag=segment:delete&since=2026-06-01T{hour}"
    assert listed(asha.get(f"/trail?{found}")) == [wanted]
    assert listed(asha.get(f"/trail?tag=segment:delete&until=2026-06-01T{hour}")) == []
    for edge in ("0001-01-01T00:00", "9999-12-31T23:59"):
        assert asha.get(f"/trail?since={edge}").status_code in (200, 422)
        assert asha.get(f"/trail?until={edge}").status_code in (200, 422)


def test_a_filter_that_cannot_be_read_is_told_at_its_field(asha):
    page = asha.get("/trail?person=not-an-id")
    assert page.status_code == 422
    assert b'aria-invalid="true"' in page.content


def test_an_entry_shows_what_was_there_before_and_after(asha, acme):
    wanted = entry(acme, Tag.CUSTOMER_EDIT, before={"name": "Acme"}, after={"name": "Acme Bicycles"})
    page = asha.get(f"/trail/{wanted}").content.decode()
    assert "Acme Bicycles" in page and "customer:edit" in page


def test_an_entry_of_another_customer_answers_as_one_that_does_not_exist(asha, bolt):
    theirs = entry(bolt)
    assert asha.get(f"/trail/{theirs}").status_code == asha.get(f"/trail/{new_id()}").status_code == 404


def test_ben_without_the_permission_is_refused_and_that_is_on_the_trail(acme):
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission.TRAIL}))
    assert ben.get("/trail").status_code == 403
    assert list_entries(acme, limit=1).entries[0].tag == Tag.ACCESS_REFUSE


def test_looking_at_the_trail_is_on_the_trail(asha, acme):
    asha.get("/trail?tag=segment:create")
    assert list_entries(acme, limit=1).entries[0].details["filters"] == ["tag"]


def test_the_log_is_verified_with_what_the_console_gives(asha, acme):
    made = entry(acme)
    assert "Nothing is sealed yet" in asha.get("/trail/verify").content.decode()
    seal(log_of(acme))
    page = html.unescape(asha.get("/trail/verify").content.decode())
    (key,) = verifier_keys(log_of(acme))
    checkpoint = asha.get("/trail/verify/checkpoint")
    assert str(key) in page and checkpoint.content.decode() in page
    assert f'href="/trail/{made}/proof"' in asha.get(f"/trail/{made}").content.decode()
    answer = asha.get(f"/trail/{made}/proof")
    assert answer["Content-Disposition"] == f'attachment; filename="{made}.tlog-proof"'
    proof = Proof.parse(answer.content.decode())
    proof.verify(proof.extra, log_of(acme).origin, [key])
    told = {(e.tag, e.object_id) for e in list_entries(acme, EntryFilter(actor_kind="teammate")).entries}
    assert {("log:read", log_of(acme).origin), ("log:prove", str(made))} <= told


def test_without_the_permission_for_the_trail_there_is_nothing_to_verify(acme):
    ben = signed_in(hire(acme.customer_id, "Ben", GRANTABLE - {Permission.TRAIL}))
    made = entry(acme)
    seal(log_of(acme))
    for path in ("/trail/verify", "/trail/verify/checkpoint", f"/trail/{made}/proof"):
        assert ben.get(path).status_code == 403
