"""What another site can make a teammate's browser send changes nothing, whatever it sends."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import Client

from conftest import _customer
from misentinel.kernel.actor import system
from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import TeammateView
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import hire, signed_in

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
OURS = {"origin": "https://localhost", "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}


@pytest.fixture(scope="module")
def acme() -> Iterator[object]:
    yield from _customer("Acme")


@pytest.fixture(scope="module")
def asha(acme) -> TeammateView:
    return hire(acme.customer_id, "Asha")


@pytest.fixture(scope="module")
def ben(acme) -> TeammateView:
    return hire(acme.customer_id, "Ben")


@pytest.fixture
def browser(asha) -> Client:
    return signed_in(asha, enforce_csrf_checks=True)


def token_of(browser: Client) -> str:
    return TOKEN.findall(browser.get("/teammates/invite").content.decode())[0]


def suspend(browser: Client, ben: TeammateView, form: object, **headers: str) -> HttpResponse:
    """Suspends Ben: what an attacker would like, and what the test below shows to work from our own page."""
    if is_suspended(ben):
        actions.reinstate_teammate(system("test"), ben.customer_id, ben.id)
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    content_type = named.pop("HTTP_CONTENT_TYPE", "application/x-www-form-urlencoded")
    return browser.post(f"/teammates/{ben.id}/suspend", form, content_type, **named)


def is_suspended(ben: TeammateView) -> bool:
    return queries.get_teammate(ben.customer_id, ben.id).suspended_at is not None


def test_our_own_form_works_so_that_the_refusals_below_mean_something(browser, ben) -> None:
    answer = suspend(browser, ben, {"csrfmiddlewaretoken": token_of(browser)}, **OURS)
    assert answer.status_code == 302
    assert is_suspended(ben)


def test_so_does_the_token_in_a_header_as_htmx_sends_it(browser, ben) -> None:
    assert suspend(browser, ben, {}, **OURS, **{"x-csrftoken": token_of(browser)}).status_code == 302


ATTACKS = {
    "no token": ({}, {}),
    "a token that was made up": ({"csrfmiddlewaretoken": "a" * 64}, {}),
    "an empty token": ({"csrfmiddlewaretoken": ""}, {}),
    "another origin": ({"csrfmiddlewaretoken": "TOKEN"}, {"origin": "https://evil.example.com"}),
    "our name as a part of another": ({"csrfmiddlewaretoken": "TOKEN"}, {"origin": "https://localhost.evil.example"}),
    "our host over plain HTTP": ({"csrfmiddlewaretoken": "TOKEN"}, {"origin": "http://localhost"}),
    "our host at another port": ({"csrfmiddlewaretoken": "TOKEN"}, {"origin": "https://localhost:9999"}),
    "an opaque origin": ({"csrfmiddlewaretoken": "TOKEN"}, {"origin": "null"}),
    "another site, told by the browser": ({"csrfmiddlewaretoken": "TOKEN"}, {"sec-fetch-site": "cross-site"}),
    "a sister site": ({"csrfmiddlewaretoken": "TOKEN"}, {"sec-fetch-site": "same-site"}),
    "JSON in place of a form": ('{"csrfmiddlewaretoken": "TOKEN"}', {"content-type": "application/json"}),
    "text in place of a form": ("csrfmiddlewaretoken=TOKEN", {"content-type": "text/plain"}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_forged_request_is_refused_and_changes_nothing(name: str, browser, ben, acme) -> None:
    form, headers = ATTACKS[name]
    token = token_of(browser)
    if isinstance(form, str):
        form = form.replace("TOKEN", token)
    else:
        form = {key: value.replace("TOKEN", token) for key, value in form.items()}
    answer = suspend(browser, ben, form, **{**OURS, **headers})
    assert answer.status_code == 403
    assert not is_suspended(ben)
    (entry,) = list_entries(acme, EntryFilter(request_id=answer["X-Request-Id"])).entries
    assert (entry.tag, entry.outcome, entry.details["error"]) == ("access:refuse", "refused", "forgery")


def test_neither_origin_nor_referer_is_refused_too(browser, ben) -> None:
    assert suspend(browser, ben, {"csrfmiddlewaretoken": token_of(browser)}).status_code == 403
    assert not is_suspended(ben)


def test_the_token_of_another_session_is_refused(browser, asha, ben) -> None:
    other = signed_in(asha, enforce_csrf_checks=True)
    token_of(browser)  # so that this browser has a cookie of its own
    assert suspend(browser, ben, {"csrfmiddlewaretoken": token_of(other)}, **OURS).status_code == 403
    assert not is_suspended(ben)


def test_a_multipart_form_is_refused_unread_even_with_the_right_token(browser, ben) -> None:
    body = f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token_of(browser)}\r\n--x--\r\n'
    answer = suspend(browser, ben, body, **OURS, **{"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 415
    assert not is_suspended(ben)


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("cross-site", "navigate", "document", 200),  # a link in a mail
        ("none", "navigate", "document", 200),  # a bookmark
        ("same-origin", "cors", "empty", 200),  # htmx
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "image", 403),
        ("cross-site", "no-cors", "script", 403),
        ("cross-site", "cors", "empty", 403),
        ("same-site", "no-cors", "object", 403),
    ],
)
def test_another_site_may_link_to_a_page_and_not_embed_or_load_it(browser, site, mode, dest, status) -> None:
    headers = {"HTTP_SEC_FETCH_SITE": site, "HTTP_SEC_FETCH_MODE": mode, "HTTP_SEC_FETCH_DEST": dest}
    assert browser.get("/trail", **headers).status_code == status
