"""Sessions: their limits, their keys, the browsers they run in; and every way to keep one that should be over."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.errors import Invalid, Misconfigured
from misentinel.kernel.ids import new_id
from misentinel.teammates import actions, places, queries, second_factor
from misentinel.teammates.actions.devices import forget_device, recognise_device
from misentinel.teammates.contracts import Lasting, Notice, Permission, Session
from misentinel.teammates.models import Device, NoticeRecord, Passkey, SessionRecord, Teammate
from misentinel.teammates.queries.principals import principal_of_session
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from misentinel.web.devices import COOKIE
from tests.cast import ADDRESS, browser, code_for, hire, signed_in, start_session

KEY = "__Host-session"


@pytest.fixture
def asha(acme) -> Teammate:
    return hire(acme.customer_id, "Asha")


@pytest.fixture
def ben(acme) -> Teammate:
    return hire(acme.customer_id, "Ben", [Permission.USER_DATA])


def key_of(client: Client) -> str:
    return client.cookies[KEY].value


def thief_of(client: Client) -> Client:
    """Another browser with a copy of the cookie."""
    thief = browser()
    thief.cookies[KEY] = key_of(client)
    return thief


def is_in(client: Client) -> bool:
    return client.get("/account/sessions").status_code == 200


def change_permissions(ben: Teammate) -> None:
    actions.set_permissions(system("test"), ben.customer_id, ben.id, [Permission.TRAIL])


def change_role(ben: Teammate) -> None:
    actions.set_permissions(system("test"), ben.customer_id, ben.id, [Permission.USER_DATA], role="support")


def grant_for_a_time(ben: Teammate) -> None:
    actions.grant_permission(
        system("test"), ben.customer_id, ben.id, Permission.TRAIL, until=in_future(days=1), reason="a holiday"
    )


def add_factor(ben: Teammate) -> None:
    Passkey.objects.create(teammate=ben, credential_id=b"x" * 32, public_key=b"", name="Laptop")


def replace_factor(ben: Teammate) -> None:
    second_factor.replace_authenticator(ben, second_factor.new_seed())


def change_password(ben: Teammate) -> None:
    Teammate.objects.filter(id=ben.id).update(password="another digest")


@pytest.mark.parametrize(
    "change", [change_permissions, change_role, grant_for_a_time, add_factor, replace_factor, change_password]
)
def test_a_change_of_what_somebody_can_do_changes_their_key_and_kills_every_copy(acme, ben, change) -> None:
    client = signed_in(ben)
    assert is_in(client)
    thief, old = thief_of(client), key_of(client)
    assert is_in(thief)
    assert key_of(thief) == old
    change(ben)
    assert is_in(client)
    assert key_of(client) != old
    assert not is_in(thief)
    assert is_in(client)


def test_without_a_change_the_key_stays(ben) -> None:
    client = signed_in(ben)
    assert is_in(client)
    old = key_of(client)
    assert is_in(client)
    assert key_of(client) == old


def test_a_permission_that_runs_out_changes_the_key_too(ben) -> None:
    client = signed_in(ben)
    grant_for_a_time(ben)
    assert is_in(client)
    old = key_of(client)
    SessionRecord.objects.filter(teammate=ben).update(last_seen_at=in_future(days=1))
    with held(in_future(days=1, minutes=1)):
        assert is_in(client)
    assert key_of(client) != old


def test_of_two_requests_at_once_with_the_same_cookie_one_gets_the_new_key(ben) -> None:
    session_id = start_session(ben)
    assert principal_of_session(session_id).usable
    change_permissions(ben)
    first, second = principal_of_session(session_id, 0), principal_of_session(session_id, 0)
    assert (first.usable, first.turn) == (True, 1)
    assert (second.usable, second.why_not) == (False, "session_key_changed")


def test_a_session_key_that_was_planted_before_signing_in_is_not_the_one_after_it(asha) -> None:
    """Session fixation: the half-way session and whatever key a stranger put there are left behind."""
    asha.set_password("seven quiet otters by the weir")
    client = browser()
    client.cookies[KEY] = "a" * 32
    client.get("/sign-in")
    session = client.session
    session["half_way_in"] = {"teammate": str(asha.id), "until": in_future(minutes=5).isoformat(), "next": "/"}
    session.save()
    client.cookies[KEY] = session.session_key
    planted = session.session_key
    client.post("/sign-in/code", {"code": code_of(asha)})
    assert key_of(client) not in (planted, "a" * 32)
    stranger = browser()
    stranger.cookies[KEY] = planted
    assert not is_in(stranger)


def test_a_session_that_is_ended_is_over_within_the_same_second(acme, asha) -> None:
    here, there = signed_in(asha), signed_in(asha)
    assert is_in(there)
    [session] = [one for one in queries.list_sessions(asha.id) if str(one.id) == there.session["session"]]
    with held(now()):
        here.post(f"/account/sessions/{session.id}/end")
        assert not is_in(there)
    assert is_in(here)


def test_all_sessions_end_at_once_this_one_too(asha) -> None:
    clients = [signed_in(asha) for _ in range(3)]
    assert clients[0].post("/account/sessions/end-all").url == "/sign-in"
    assert [is_in(client) for client in clients] == [False] * 3
    assert queries.list_sessions(asha.id) == []


@pytest.mark.parametrize(("idle", "absolute"), [(721, 10080), (720, 480), (4, 480), (30, 10081)])
def test_limits_can_only_be_shortened(acme, idle: int, absolute: int) -> None:
    before = queries.get_limits(acme.customer_id)
    with pytest.raises(Invalid):
        actions.set_session_limits(
            system("test"), acme.customer_id, Lasting(timedelta(minutes=idle), timedelta(minutes=absolute))
        )
    assert queries.get_limits(acme.customer_id) == before


def test_shorter_limits_hold_for_open_sessions_from_the_next_request_on(acme, bolt, asha) -> None:
    client, mallory = signed_in(asha), signed_in(hire(bolt.customer_id, "Mallory"))
    later = now() + timedelta(minutes=16)
    with held(later):
        assert principal_of_session(start_session(asha)).usable
    fields = urlencode({"idle": 15, "absolute": 480})
    saved = client.post("/settings/security", fields, content_type="application/x-www-form-urlencoded")
    assert saved.status_code == 302, saved.content.decode()
    assert b"after 15 minutes without use and after 8 hours" in client.get("/account/sessions").content
    with held(later):
        assert not is_in(client)
        assert is_in(mallory)
    [entry] = list_entries(acme, EntryFilter(tag="settings:edit")).entries
    assert entry.details["idle_minutes"] == 15


def test_an_absolute_limit_ends_a_session_however_busy(acme, asha) -> None:
    lasting = Lasting(timedelta(minutes=15), timedelta(hours=8))
    actions.set_session_limits(system("test"), acme.customer_id, lasting)
    session_id, start = start_session(asha), now()
    for minutes in range(10, 480, 10):
        with held(start + timedelta(minutes=minutes)):
            assert principal_of_session(session_id).usable
    with held(start + timedelta(hours=8, seconds=1)):
        assert principal_of_session(session_id).why_not == "session_expired"


def told(teammate: Teammate, kind: Notice = Notice.NEW_DEVICE) -> int:
    return NoticeRecord.objects.filter(teammate=teammate, kind=kind).count()


def sign_in_with(client: Client, teammate: Teammate, steps: int) -> None:
    """Signs in by code, as a browser that has given the password."""
    session = client.session
    session["half_way_in"] = {"teammate": str(teammate.id), "until": in_future(minutes=5).isoformat(), "next": "/"}
    session.save()
    client.cookies[KEY] = session.session_key
    with held(now() + timedelta(seconds=30 * steps)):
        assert client.post("/sign-in/code", {"code": code_of(teammate)}).status_code == 302


def code_of(teammate: Teammate) -> str:
    seed = Authenticator.objects.get(user=teammate, type="totp").data["secret"]
    return code_for(second_factor.open_seed(seed))


def test_a_browser_that_was_never_used_before_is_told_and_a_known_one_is_not(asha, ben) -> None:
    laptop, cafe = browser(), browser()
    sign_in_with(laptop, asha, 0)
    assert told(asha) == 0  # the first of all
    first = laptop.cookies[COOKIE].value
    sign_in_with(laptop, asha, 1)
    assert told(asha) == 0
    assert laptop.cookies[COOKIE].value != first
    sign_in_with(cafe, asha, 2)
    assert told(asha) == 1
    cookie = cafe.cookies[COOKIE]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    sign_in_with(laptop, ben, 0)  # the same browser, another teammate: the first one still knows it
    sign_in_with(laptop, asha, 3)
    assert told(asha) == 1


def test_an_earlier_device_cookie_is_no_longer_known(asha) -> None:
    laptop = browser()
    sign_in_with(laptop, asha, 0)
    copy = browser()
    copy.cookies[COOKIE] = laptop.cookies[COOKIE].value
    sign_in_with(laptop, asha, 1)
    sign_in_with(copy, asha, 2)
    assert told(asha) == 1


def test_a_device_of_somebody_else_is_new_to_me(asha, ben) -> None:
    session = browser()
    start_session(ben)
    sign_in_with(session, asha, 0)
    sign_in_with(session, ben, 0)
    assert told(ben) == 1


def test_a_device_that_was_forgotten_is_new_again(asha) -> None:
    laptop = browser()
    sign_in_with(laptop, asha, 0)
    [device] = queries.list_devices(asha.id)
    assert laptop.post(f"/account/devices/{device.id}/forget").status_code == 302
    assert not Device.objects.filter(teammate=asha).exists()
    sign_in_with(laptop, asha, 1)
    assert told(asha) == 1


def test_what_a_browser_is_called_is_changed_for_whoever_signs_in_with_it(asha, ben) -> None:
    def session(teammate: Teammate, device: str) -> Session:
        at = now()
        return Session(new_id(), teammate.id, device, "192.0.2.7", at, at, at)

    shared = recognise_device(session(asha, "Firefox"), "")
    shared = recognise_device(session(ben, "Firefox"), shared)
    recognise_device(session(ben, "Safari"), "")  # another of Ben's
    recognise_device(session(ben, "Firefox 2"), shared)
    labels = {(row.teammate_id, row.label) for row in Device.objects.filter(teammate__in=[asha, ben])}
    assert labels == {(asha.id, "Firefox"), (ben.id, "Firefox 2"), (ben.id, "Safari")}
    own = Actor(ActorKind.TEAMMATE, str(ben.id))
    forget_device(own, ben.id, Device.objects.get(teammate=ben, label="Safari").id)
    assert {(row.teammate_id, row.label) for row in Device.objects.filter(teammate__in=[asha, ben])} == {
        (asha.id, "Firefox"), (ben.id, "Firefox 2"),
    }  # fmt: skip


def test_the_list_holds_what_still_opens_something_by_ones_own_customers_limits(acme, bolt, asha) -> None:
    mallory = hire(bolt.customer_id, "Mallory")
    lasting = Lasting(timedelta(minutes=15), timedelta(hours=8))
    actions.set_session_limits(system("test"), acme.customer_id, lasting)
    mine, theirs = start_session(asha), start_session(mallory)

    def listed(teammate: Teammate) -> list[object]:
        return [session.id for session in queries.list_sessions(teammate.id)]

    assert (listed(asha), listed(mallory)) == ([mine], [theirs])
    with held(in_future(minutes=16)):
        assert (listed(asha), listed(mallory)) == ([], [theirs])
    record = SessionRecord.objects.filter(id=mine)
    for ended in (
        {"expires_at": now()}, {"started_at": now() - lasting.absolute}, {"last_seen_at": now() - lasting.idle},
        {"ended_at": now()},
    ):  # fmt: skip
        was = record.values(*ended).get()
        record.update(**ended)
        assert listed(asha) == [], ended
        record.update(**was)
        assert listed(asha) == [mine]
    assert queries.list_sessions(new_id()) == []


@pytest.fixture
def places_file(tmp_path, monkeypatch):
    path = tmp_path / "places.mmdb"
    writer = MMDBWriter(4, "Test-City", languages=["en"], description="Invented places")
    record = {"city": {"names": {"en": "Little Whinging"}}, "country": {"names": {"en": "United Kingdom"}}}
    writer.insert_network(IPSet(["192.0.2.0/25"]), record)
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"country": {"names": {"en": "United Kingdom"}}})
    writer.to_db_file(str(path))
    monkeypatch.setenv("MISENTINEL_PLACES_FILE", str(path))
    places._reader.cache_clear()
    yield path
    places._reader.cache_clear()


def test_places_come_from_the_operators_file(asha, places_file) -> None:
    assert places.place_of(ADDRESS) == "Little Whinging, United Kingdom"
    assert places.place_of("198.51.100.9") == "United Kingdom"
    assert places.place_of("192.0.2.200") == "192.0.2.0/24"
    assert places.place_of("127.0.0.1") == "This machine"
    assert b"Little Whinging" in signed_in(asha).get("/account/sessions").content


def test_without_a_file_the_network_is_shown() -> None:
    assert places.place_of(ADDRESS) == "192.0.2.0/24"
    assert places.place_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert places.place_of("") == ""


def test_a_file_of_places_that_is_none_is_told(places_file) -> None:
    places_file.write_bytes(b"not a database")
    with pytest.raises(Misconfigured, match="places_file"):
        places.place_of(ADDRESS)
