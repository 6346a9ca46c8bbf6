"""People are found by how they begin, shown whole only on their own page, and every look is on the trail."""

import json
import re

import pytest

from misentinel.events.actions import ingest
from misentinel.events.rules.protocol import parse
from misentinel.kernel import clock
from misentinel.kernel.actor import system
from misentinel.kernel.ids import new_id
from misentinel.people.queries import find_by_user_id
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from tests.cast import hire, signed_in


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha Rao"))


def tell(store, *items):
    for item in items:
        item.setdefault("messageId", str(new_id()))
    ingest(store, system("test"), parse(json.dumps({"batch": items}).encode(), "batch", clock.now()))


def identify(user_id, **traits):
    return {"type": "identify", "userId": user_id, "traits": traits}


def people_on(page):
    return re.findall(r'class="person-link" href="/people/([0-9a-f-]{36})"', page.content.decode())


def test_people_are_found_by_address_user_id_and_the_start_of_a_name(asha, acme):
    tell(
        acme,
        identify("u-1", firstName="Ada", lastName="Byron", email="ada@example.com"),
        identify("u-2", firstName="Grace", lastName="Hopper", email="grace@example.com"),
    )
    ada = str(find_by_user_id(acme, "u-1"))
    assert len(people_on(asha.get("/people"))) == 2
    for query in ("Ada", "by", "ada@example.com", "u-1"):
        assert people_on(asha.post("/people", {"q": query})) == [ada], query
    assert b"Nobody found" in asha.post("/people", {"q": "nobody@example.com"}).content


def test_what_is_searched_for_stays_out_of_every_url(asha, acme, monkeypatch):
    monkeypatch.setattr("misentinel.web.console.pages.people._PAGE", 1)
    tell(acme, identify("u-1", firstName="Ada"), identify("u-2", firstName="Adam"))
    first = asha.post("/people", {"q": "Ada"})
    after = re.search(r'name="after" value="([0-9a-f-]{36})"', first.content.decode())[1]
    second = asha.post("/people", {"q": "Ada", "after": after})
    assert len({*people_on(first), *people_on(second)}) == 2
    assert not re.search(r'(href|action|src)="[^"]*(Ada|q=)', first.content.decode() + second.content.decode())
    assert len(people_on(asha.get("/people?q=Ada"))) == 1, "a query in a URL is not read"


def test_a_newcomer_without_people_is_shown_the_command_that_makes_one(asha):
    page = asha.get("/people").content.decode()
    assert "Nobody here yet" in page and "/v1/identify" in page


def test_a_profile_shows_attributes_events_and_who_looked(asha, acme):
    tell(
        acme,
        identify("u-1", firstName="Ada", email="ada@example.com", plan="pro"),
        {"type": "track", "userId": "u-1", "event": "Order Completed", "properties": {"total": 42.5}},
    )
    url = f"/people/{find_by_user_id(acme, 'u-1')}"
    asha.get(url)
    page = asha.get(url).content.decode()
    for shown in ("ada@example.com", "plan", "pro", "Order Completed", "42.5", "Who looked", "Asha Rao"):
        assert shown in page, shown


def test_what_people_say_about_themselves_cannot_become_markup(asha, acme):
    tell(acme, identify("u-1", name="<script>alert(1)</script>", plan='"><img src=x onerror=alert(1)>'))
    for url in ("/people", f"/people/{find_by_user_id(acme, 'u-1')}"):
        page = asha.get(url).content.decode()
        assert "<script>alert" not in page and "<img src=x" not in page


def test_the_timeline_goes_on_where_its_first_page_ended(asha, acme):
    events = [{"type": "track", "userId": "u-1", "event": f"Step {n:02}"} for n in range(45)]
    tell(acme, identify("u-1", name="Ada"), *events)
    first = asha.get(f"/people/{find_by_user_id(acme, 'u-1')}").content.decode()
    onward = re.search(r'href="(\?before=[^"]+)" rel="next"', first)[1]
    second = asha.get(f"/people/{find_by_user_id(acme, 'u-1')}{onward}").content.decode()
    seen = [set(re.findall(r"Step \d\d", page)) for page in (first, second)]
    assert len(seen[0] | seen[1]) == 45 and not seen[0] & seen[1]


def test_a_look_at_a_person_is_on_the_trail_with_whom_and_by_whom(asha, acme):
    tell(acme, identify("u-1", name="Ada"))
    person_id = find_by_user_id(acme, "u-1")
    asha.get(f"/people/{person_id}")
    looks = list_entries(acme, EntryFilter(tag=Tag.PERSON_VIEW, person_id=person_id)).entries
    assert len(looks) == 1 and looks[0].actor_kind == "teammate"


def test_a_person_of_another_customer_answers_as_one_that_does_not_exist(asha, bolt):
    tell(bolt, identify("u-1", name="Mallory's own"))
    theirs, nobody = asha.get(f"/people/{find_by_user_id(bolt, 'u-1')}"), asha.get(f"/people/{new_id()}")
    assert theirs.status_code == nobody.status_code == 404
    assert theirs.content.replace(theirs["X-Request-Id"].encode(), b"") == nobody.content.replace(
        nobody["X-Request-Id"].encode(), b""
    )


def test_ben_without_user_data_sees_no_person(acme):
    tell(acme, identify("u-1", name="Ada"))
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission.USER_DATA}))
    for url in ("/people", f"/people/{find_by_user_id(acme, 'u-1')}"):
        page = ben.get(url)
        assert page.status_code == 403 and b"Ada" not in page.content


def test_ben_without_the_trail_does_not_see_who_looked(acme):
    tell(acme, identify("u-1", name="Ada"))
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", {Permission.USER_DATA}))
    page = ben.get(f"/people/{find_by_user_id(acme, 'u-1')}")
    assert page.status_code == 200 and b"Who looked" not in page.content
