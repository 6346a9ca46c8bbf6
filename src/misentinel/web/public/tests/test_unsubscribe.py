"""One click unsubscribes, a look does not, and a wrong link says nothing."""

from __future__ import annotations

import re
import secrets

import pytest
from django.test import Client

from misentinel.kernel.ids import new_id
from misentinel.messages import actions, queries
from misentinel.messages.channels.mailbox import MailboxChannel
from misentinel.messages.jobs import send_due
from misentinel.messages.rules.tokens import read_unsubscribe_token, unsubscribe_token
from misentinel.messages.tests.people import ASHA, come_in, identify, mailer, manual, reasons
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from misentinel.vault import queries as vault


@pytest.fixture
def link(acme):
    come_in(acme, identify("asha"))
    actions.send_message(acme, ASHA, manual(acme).id)
    send_due(acme, mailer(1, channel=MailboxChannel))
    (mail,) = queries.list_mail(acme).mails
    return "/u/" + mail.unsubscribe_url.rpartition("/u/")[2]


def browser():
    return Client(headers={"host": "localhost"}, enforce_csrf_checks=True, **{"wsgi.url_scheme": "https"})


def is_left_alone(store):
    message = manual(store)
    actions.send_message(store, ASHA, message.id)
    send_due(store, mailer(1, channel=MailboxChannel))
    return reasons(store, message) == {"unsubscribed": 1}


def test_a_mail_program_unsubscribes_with_one_post_and_no_cookie(acme, link):
    response = browser().post(link, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200
    assert is_left_alone(acme)
    tags = [(entry.tag, entry.actor_kind) for entry in list_entries(acme, EntryFilter(object_kind="delivery")).entries]
    assert tags == [("unsubscribe:confirm", "person")]


def test_looking_changes_nothing_and_shows_a_button(acme, link):
    for _ in range(3):
        response = browser().get(link)
        assert response.status_code == 200 and b'<form method="post"' in response.content
    assert not is_left_alone(acme)
    assert b"asha" not in response.content
    tags = {entry.tag for entry in list_entries(acme, EntryFilter(object_kind="delivery")).entries}
    assert tags == {"unsubscribe:view"}


def test_it_may_be_repeated_and_the_page_then_says_so(acme, link):
    assert browser().post(link).status_code == browser().post(link).status_code == 200
    assert b"You are unsubscribed" in browser().get(link).content
    assert is_left_alone(acme)


def told(response):
    return response.status_code, re.sub(rb"[0-9a-f-]{36}", b"id", response.content), sorted(response.headers)


def test_every_wrong_link_is_answered_alike(acme, bolt, link):
    key = vault.service_key("unsubscribe")
    token = link.removeprefix("/u/")
    customer_id, delivery_id = read_unsubscribe_token(key, token)
    assert customer_id == acme.customer_id
    wrong = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token[:-1],
        token + "A",
        secrets.token_urlsafe(48),
        unsubscribe_token(secrets.token_bytes(32), customer_id, delivery_id),
        unsubscribe_token(key, bolt.customer_id, delivery_id),
        unsubscribe_token(key, acme.customer_id, new_id()),
        unsubscribe_token(key, new_id(), delivery_id),
        str(delivery_id),
        "é" * 64,
    ]
    for method in ("get", "post"):
        answers = {str(told(getattr(browser(), method)(f"/u/{each}"))) for each in wrong}
        assert len(answers) == 1
        assert answers.pop().startswith("(404")
    assert not is_left_alone(acme)


def test_a_token_shows_neither_customer_nor_delivery(acme, link):
    token = link.removeprefix("/u/")
    customer_id, delivery_id = read_unsubscribe_token(vault.service_key("unsubscribe"), token)
    for part in (customer_id, delivery_id):
        assert part.hex not in token and str(part) not in token
        import base64

        assert part.bytes not in base64.urlsafe_b64decode(token)
    other = unsubscribe_token(vault.service_key("unsubscribe"), customer_id, new_id())
    assert sum(a == b for a, b in zip(token, other, strict=True)) < 16
