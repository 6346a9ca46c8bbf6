"""One's own name, address and notices: a new address counts once it is proved, and the old one can take it back."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import held, now
from misentinel.kernel.errors import Invalid
from misentinel.teammates import actions, second_factor
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import EmailChange, NoticeRecord, SessionRecord, Teammate
from misentinel.teammates.queries.own_account import open_notice
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, code_for, hire, signed_in


@pytest.fixture
def ben(acme) -> Teammate:
    return hire(acme.customer_id, "Ben", [Permission.USER_DATA])


@pytest.fixture
def new(acme) -> str:
    return f"ben.{acme.alias[-8:]}@example.com"


def post(client: Client, url: str, **fields: str):
    return client.post(url, urlencode(fields), content_type="application/x-www-form-urlencoded")


def link(kind: str) -> str:
    row = NoticeRecord.objects.filter(kind=kind).latest("created_at")
    return re.sub(r"^https://[^/]+", "", open_notice(row)["link"])


def sent_to(kind: str) -> list[str]:
    return list(NoticeRecord.objects.filter(kind=kind).order_by("created_at").values_list("recipient", flat=True))


@pytest.fixture(autouse=True)
def no_earlier_notices():
    NoticeRecord.objects.all().delete()


def email_of(teammate: Teammate) -> str:
    return Teammate.objects.get(id=teammate.id).email


def change_email(client: Client, new: str) -> None:
    assert post(client, "/account/email", email=new).status_code == 302
    stranger = browser()
    path = link("email_confirm")
    assert stranger.get(path).status_code == 200
    assert stranger.post(path).status_code == 200


def test_a_new_address_counts_once_its_link_was_opened(acme, ben, new) -> None:
    client, old = signed_in(ben), ben.email
    assert post(client, "/account/email", email=new.upper()).status_code == 302
    assert email_of(ben) == old
    assert sent_to("email_confirm") == [new]
    path = link("email_confirm")
    assert browser().get(path).status_code == 200
    assert email_of(ben) == old  # looking changes nothing
    assert browser().post(path).status_code == 200
    assert email_of(ben) == new
    assert sent_to("email_changed") == [old]
    assert sent_to("email_set") == [new]
    assert browser().post(path).status_code == 404  # once
    steps = {e.details.get("step") for e in list_entries(acme, EntryFilter(tag="email:change")).entries}
    assert {"asked", "confirmed"} <= steps


def test_the_old_address_takes_it_back_for_seven_days_and_everybody_is_out(ben, new) -> None:
    client, old = signed_in(ben), ben.email
    change_email(client, new)
    undo = link("email_changed")
    assert browser().get(undo).status_code == 200
    assert email_of(ben) == new
    with held(now() + timedelta(days=6, hours=23)):
        assert browser().post(undo).status_code == 200
    assert email_of(ben) == old
    assert not SessionRecord.objects.filter(teammate=ben, ended_at=None).exists()
    assert client.get("/account/profile").status_code == 302
    assert browser().post(undo).status_code == 404


def test_after_seven_days_it_is_too_late(ben, new) -> None:
    change_email(signed_in(ben), new)
    with held(now() + timedelta(days=7, seconds=1)):
        assert browser().post(link("email_changed")).status_code == 404
    assert email_of(ben) == new


def test_taking_back_the_first_change_ends_the_links_of_those_after_it(ben, new) -> None:
    client, old = signed_in(ben), ben.email
    change_email(client, new)
    first = link("email_changed")
    change_email(client, f"x{new}")
    second = link("email_changed")
    assert browser().post(first).status_code == 200
    assert email_of(ben) == old
    assert browser().post(second).status_code == 404


def test_a_link_that_waits_an_hour_or_was_replaced_confirms_nothing(ben, new) -> None:
    client = signed_in(ben)
    post(client, "/account/email", email=new)
    replaced = link("email_confirm")
    post(client, "/account/email", email=f"x{new}")
    assert browser().post(replaced).status_code == 404
    with held(now() + timedelta(hours=1, seconds=1)):
        assert browser().post(link("email_confirm")).status_code == 404


def test_asking_for_somebody_elses_address_tells_nothing_and_takes_nothing(acme, ben, new) -> None:
    asha = hire(acme.customer_id, "Asha")
    client = signed_in(ben)
    answers = [post(client, "/account/email", email=email) for email in (asha.email, new)]
    assert [answer.status_code for answer in answers] == [302, 302]
    post(client, "/account/email", email=asha.email)
    assert browser().post(link("email_confirm")).status_code == 409
    assert email_of(ben) == ben.email


def test_no_address_is_flooded(ben, new) -> None:
    client = signed_in(ben)
    statuses = [post(client, "/account/email", email=f"{n}{new}").status_code for n in range(6)]
    assert statuses == [302] * 5 + [429]


def test_an_open_session_alone_does_not_change_the_address(ben, new) -> None:
    client = signed_in(ben)
    with held(now() + timedelta(minutes=6)):
        assert post(client, "/account/email", email=new).status_code == 403
    assert not EmailChange.objects.filter(teammate=ben).exists()


def test_a_suspended_teammates_link_confirms_nothing(ben, new) -> None:
    post(signed_in(ben), "/account/email", email=new)
    Teammate.objects.filter(id=ben.id).update(suspended_at=now())
    assert browser().post(link("email_confirm")).status_code == 404


def test_ones_own_name_is_changed_and_the_trail_keeps_both(acme, ben) -> None:
    client = signed_in(ben)
    assert client.post("/account/profile", {"name": "  Benedict   Okafor "}).status_code == 302
    assert Teammate.objects.get(id=ben.id).name == "Benedict Okafor"
    assert client.post("/account/profile", {"name": "\u202egnp.exe"}).status_code == 422
    [entry] = [e for e in list_entries(acme, EntryFilter(tag="teammate:edit")).entries if e.details.get("fields")]
    assert entry.details["fields"] == ["name"]


def test_notices_are_shown_to_their_owner_alone(acme, ben, new) -> None:
    asha = signed_in(hire(acme.customer_id, "Asha"))
    client = signed_in(ben)
    change_email(client, new)
    page = client.get("/account/notices").content.decode()
    assert "Your e-mail address was changed" in page
    assert "/account/email/undo/" in page  # no mail server: this is where it arrives
    assert "Your e-mail address" not in asha.get("/account/notices").content.decode()


def test_where_notices_are_mailed_the_page_shows_no_link(ben, new) -> None:
    from dataclasses import replace

    from django.conf import settings
    from django.test import override_settings

    client = signed_in(ben)
    post(client, "/account/email", email=new)
    with override_settings(MISENTINEL=replace(settings.MISENTINEL, smtp_url="smtp://mail.example.com")):
        page = client.get("/account/notices").content.decode()
    assert "Confirm your new e-mail address" in page
    assert "/account/email/confirm/" not in page


def test_an_authenticator_is_connected_with_its_own_code_alone(acme) -> None:
    asha = hire(acme.customer_id, "Asha")
    acting, seed, other = Actor(ActorKind.TEAMMATE, str(asha.id)), second_factor.new_seed(), second_factor.new_seed()
    with pytest.raises(Invalid, match="not right"):
        actions.replace_authenticator(acting, asha.id, seed, code_for(other))
    before = second_factor.find_authenticator(asha.id)
    actions.replace_authenticator(acting, asha.id, seed, code_for(seed))
    assert second_factor.find_authenticator(asha.id) != before
    assert second_factor.accept_code(Teammate.objects.get(id=asha.id), code_for(seed)) is False  # it is used up
