"""Who looked at a person, the trail as a file, the platform log, and an auditor who reads the trail alone."""

from __future__ import annotations

import csv
import html
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import orjson
import pytest

from misentinel.customers.actions import edit_customer
from misentinel.customers.queries import get_customer
from misentinel.kernel import clock
from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.ids import new_id
from misentinel.messages.tests.people import come_in, identify
from misentinel.people.queries import find_by_user_id
from misentinel.site import urls
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.trail.actions import record, record_control
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries, list_platform_entries
from misentinel.web.gate import Edge
from tests.cast import browser, hire, join_staff, signed_in
from tests.permissions.test_matrix import fill, send


@pytest.fixture
def teammate(acme):
    return hire(acme.customer_id, "Asha Rao")


@pytest.fixture
def asha(teammate):
    return signed_in(teammate)


def text(page):
    return html.unescape(page.content.decode())


def listed(page):
    return re.findall(r'href="/trail/([0-9a-f-]{36})"', page.content.decode())


def test_whom_a_page_or_a_list_showed_has_its_readers_counted_and_the_link_finds_just_those(asha, acme, teammate):
    come_in(acme, identify("zoe", city="York"))
    zoe = find_by_user_id(acme, "zoe")
    asha.get("/people")
    asha.get(f"/people/{zoe}")
    asha.post("/people", {"q": "nobody at all"})
    page = asha.get(f"/trail/readers?person={zoe}")
    assert "1 reader, 2 looks" in text(page) and "Asha Rao" in text(page)
    (link,) = re.findall(r'href="(/trail\?[^"]*seen_person[^"]*)"', text(page))
    assert len(listed(asha.get(link))) == 2
    assert "Nobody looked" in text(asha.get(f"/trail/readers?person={new_id()}"))
    told = list_entries(acme, EntryFilter(tag="trail:list", object_id=str(zoe))).entries
    assert [(entry.actor_id, entry.person_id) for entry in told] == [(str(teammate.id), None)]


def test_a_day_is_a_day_of_the_customers_and_the_last_one_belongs_to_the_range(asha, acme, teammate):
    edit_customer(system("test"), acme.customer_id, name=get_customer(acme.customer_id).name, time_zone="Asia/Kolkata")
    zoe = new_id()
    for hour, minute in ((18, 29), (18, 30)):  # 23:59 on the 31st there, and midnight
        with clock.held(datetime(2026, 3, 31, hour, minute, tzinfo=UTC)), acme.atomic():
            record(acme, Actor(ActorKind.TEAMMATE, str(teammate.id)), Tag.PERSON_VIEW, person_id=zoe)
    page = asha.get(f"/trail/readers?person={zoe}&since=2026-03-01&until=2026-03-31")
    assert "1 reader, 1 look" in text(page) and "31 Mar 2026, 23:59:00 IST" in text(page)
    (link,) = re.findall(r'href="(/trail\?[^"]*seen_person[^"]*)"', text(page))
    assert len(listed(asha.get(link))) == 1


@pytest.mark.parametrize(
    "query", ["person=x", "since=2026-03-02&until=2026-03-01", "until=9999-12-31", "since=0001-01-01", "since=x"]
)
def test_a_range_that_is_none_is_told_at_its_field(asha, query):
    page = asha.get(f"/trail/readers?{query}" + ("" if "person" in query else f"&person={new_id()}"))
    assert page.status_code == 422 and b'aria-invalid="true"' in page.content


def test_a_key_that_acted_is_found_by_the_link_though_no_list_has_it(asha, acme):
    zoe = new_id()
    with acme.atomic():
        record(acme, Actor(ActorKind.API_TOKEN, str(new_id())), Tag.PERSON_VIEW, person_id=zoe)
    (link,) = re.findall(r'href="(/trail\?[^"]*seen_person[^"]*)"', text(asha.get(f"/trail/readers?person={zoe}")))
    assert len(listed(asha.get(link))) == 1


def test_what_is_listed_is_had_as_a_file_whole_and_without_formulas(asha, acme):
    with acme.atomic():
        for number in range(60):
            record(acme, system("test"), Tag.SEGMENT_CREATE, object_kind="segment", object_id=f"=cmd|{number}")
        record(acme, system("test"), Tag.SEGMENT_DELETE, before={"name": "Zebedee"})
    assert "format=csv" in text(asha.get("/trail?tag=segment:"))
    answer = asha.get("/trail/export?tag=segment:&format=csv")
    assert answer["Content-Disposition"].endswith('.csv"') and answer["Content-Type"].startswith("text/csv")
    whole = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(StringIO(whole)))
    assert len(rows) == 61 and rows[1]["object_id"] == "'=cmd|59" and rows[0]["actor"] == "MiSentinel (test)"
    assert "Zebedee" not in whole
    lines = b"".join(asha.get("/trail/export?tag=segment:delete&format=ndjson").streaming_content).splitlines()
    assert [orjson.loads(line)["tag"] for line in lines] == ["segment:delete"]
    told = list_entries(acme, EntryFilter(tag="trail:export")).entries
    assert [entry.details["format"] for entry in told] == ["ndjson", "csv"]
    for query in ("tag=segment:", "format=exe", "format=csv&person=x"):
        assert asha.get(f"/trail/export?{query}").status_code == 422


@pytest.mark.parametrize("without", [Permission.EXPORT, Permission.TRAIL])
def test_a_file_takes_both_permissions_and_a_fresh_proof(acme, without):
    ben = signed_in(hire(acme.customer_id, "Ben", GRANTABLE - {without}))
    assert ben.get("/trail/export?format=csv").status_code == 403
    assert "format=csv" not in text(ben.get("/trail"))
    late = signed_in(hire(acme.customer_id, "Asha"))
    with clock.held(clock.now() + timedelta(minutes=6)):
        assert late.get("/trail/export?format=csv").status_code == 403
    assert list_entries(acme, EntryFilter(tag="trail:export")).entries == []


def test_the_operators_staff_read_the_platform_log_and_find_in_it(acme):
    olga = join_staff("Olga")
    for number in range(55):
        record_control(
            Actor(ActorKind.OPERATOR, str(olga.id)), Tag.CUSTOMER_EDIT, customer_id=acme.customer_id,
            object_kind="customer", object_id=f"c-{number}",
        )  # fmt: skip
    client, customer = signed_in(olga), get_customer(acme.customer_id)
    asked = f"/operator/log?tag=customer:edit&who=operator:{olga.id}&customer={customer.slug}"
    first = text(client.get(asked))
    assert first.count("<tr>") == 51 and customer.name in first and "Olga" in first
    (more,) = re.findall(r'href="([^"]+)" rel="next"', first)
    assert text(client.get(more)).count("<tr>") == 6
    assert "No entry matches" in text(client.get("/operator/log?object=nothing"))
    for query in ("access=x", "customer=nobody-such"):
        assert client.get(f"/operator/log?{query}").status_code == 422
    told = list_platform_entries(EntryFilter(tag="trail:list", actor_id=str(olga.id))).entries
    assert len(told) == 5 and told[-1].details["filters"] == ["customer", "tag", "who"]
    assert signed_in(hire(acme.customer_id, "Asha")).get("/operator/log").status_code == 403


AUDITING = {Permission.TRAIL, Permission.SIGNED_IN, Permission.PUBLIC}


def opened(client, edge: Edge) -> set[str]:
    """The permissions that what answered to GET needs."""
    found = set()
    for declaration in urls.DECLARATIONS:
        if declaration.edge is edge and declaration.method == "GET" and declaration.needs is not Permission.PUBLIC:
            answer = send(client, "GET", fill(declaration.path))
            if answer.status_code not in (401, 403):
                found.add(declaration.needs)
    return found


def test_an_auditor_let_in_for_two_weeks_reads_the_trail_and_nothing_else(acme, teammate):
    auditor = hire(acme.customer_id, "Cleo", [])
    assert signed_in(auditor).get("/trail").status_code == 403
    url = f"/teammates/{auditor.id}/grants"
    given = signed_in(teammate).post(url, {"permission": "trail", "hours": "336", "reason": "Audit of March"})
    assert given.status_code == 302
    client = signed_in(auditor)
    assert opened(client, Edge.CONSOLE) <= AUDITING
    assert client.get("/trail").status_code == client.get("/trail/readers").status_code == 200
    assert client.post("/people", {"q": "zoe"}).status_code == 403
    with clock.held(clock.now() + timedelta(days=14, minutes=1)):
        assert signed_in(auditor).get("/trail").status_code == 403


def test_an_auditors_program_reads_the_trail_and_nothing_else_until_its_token_expires(acme):
    made = actions.create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="Audit of March",
        permissions=[Permission.TRAIL], read_only=True, expires_at=clock.in_future(hours=14 * 24),
    )  # fmt: skip
    client = browser(HTTP_AUTHORIZATION=f"Bearer {made.secret}")
    assert opened(client, Edge.API) <= AUDITING
    for path in ("/api/trail", "/api/admins/activity_logs", "/api/log/keys"):
        assert client.get(path).status_code == 200, path
    assert client.get("/api/people").status_code == 403
    with clock.held(clock.now() + timedelta(days=14, minutes=1)):
        assert client.get("/api/trail").status_code == 401
