"""Where a request says it comes from changes nothing: not its address, nor any header that a proxy might have written.

Metamorphic: each request is sent plainly and in disguise, and the two answers are compared byte by byte. Every route
and every principal is in the sample at least once, each with everything at once and with one disguise by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings

from conftest import _customer
from misentinel.site import urls
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries, list_platform_entries
from misentinel.web.gate import Declaration, Edge
from tests.cast import ADDRESS, hire, signed_in
from tests.permissions.principals import Knock, everyone
from tests.permissions.test_matrix import DECLARATIONS, fill

LOOPBACK, INTERNAL = {"REMOTE_ADDR": "127.0.0.1"}, {"REMOTE_ADDR": "10.20.30.40"}
CLAIMS = {
    "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "80", "X-Forwarded-User": "owner@example.com", "X-Forwarded-Prefix": "/internal",
    "Forwarded": "for=127.0.0.1;host=localhost;proto=https", "X-Real-IP": "127.0.0.1", "X-Original-URL": "/sign-in",
    "X-Rewrite-URL": "/sign-in", "X-HTTP-Method-Override": "GET", "X-Method-Override": "GET", "Client-IP": "127.0.0.1",
    "True-Client-IP": "10.0.0.1", "CF-Connecting-IP": "127.0.0.1", "X-Client-IP": "10.0.0.1",
    "X-Cluster-Client-IP": "127.0.0.1", "Via": "1.1 internal.example.com", "Remote-User": "owner@example.com",
    "X-Remote-User": "owner@example.com", "X-Internal": "1",
}  # fmt: skip
DISGUISES: dict[str, dict[str, str]] = {
    "loopback": LOOPBACK,
    "internal": INTERNAL,
    "ipv6-loopback": {"REMOTE_ADDR": "::1"},
    **{name: {f"HTTP_{name.upper().replace('-', '_')}": value} for name, value in CLAIMS.items()},
}
EVERYTHING = {key: value for disguise in DISGUISES.values() for key, value in disguise.items()} | LOOPBACK


@pytest.fixture(scope="module")
def principals() -> Iterator[dict[str, Knock]]:
    customers = [_customer(name) for name in ("Acme", "Bolt")]
    acme, bolt = [next(customer) for customer in customers]
    yield everyone(acme.customer_id, bolt.customer_id)
    for customer in customers:
        next(customer, None)


def sample(names: list[str]) -> list[tuple[Declaration, str, str]]:
    """Every route and every principal at least once, each time with another disguise. Seven is prime to most counts."""
    size = max(len(DECLARATIONS), len(names), len(DISGUISES))
    strided = [names[(7 * number + number // len(names)) % len(names)] for number in range(size)]
    missing = [name for name in names if name not in strided]
    everybody = [*strided, *missing]
    routes, disguises = cycle(DECLARATIONS), cycle(DISGUISES)
    return [(next(routes), name, next(disguises)) for name in everybody]


def test_the_sample_leaves_out_no_route_no_principal_and_no_disguise(principals: dict[str, Knock]) -> None:
    chosen = sample([*principals])
    assert {declaration for declaration, _, _ in chosen} == {*urls.DECLARATIONS}
    assert {name for _, name, _ in chosen} == {*principals}
    assert {disguise for _, _, disguise in chosen} == {*DISGUISES}


def test_every_request_is_answered_in_disguise_as_without(principals: dict[str, Knock]) -> None:
    chosen = sample([*principals])
    told = [
        difference
        for declaration, name, disguise in chosen
        for difference in differences(principals[name], declaration, {disguise: DISGUISES[disguise], "all": EVERYTHING})
    ]
    assert told == []


def test_a_proxy_s_word_for_the_address_is_not_put_on_the_trail(acme) -> None:
    asha = signed_in(hire(acme.customer_id, "Asha"))
    answers = [
        send(client, "/settings", EVERYTHING | INTERNAL) for client in (asha, Client(headers={"host": "localhost"}))
    ]
    for answer, entries in zip(
        answers, (lambda wanted: list_entries(acme, wanted), list_platform_entries), strict=True
    ):
        found = entries(EntryFilter(request_id=answer["X-Request-Id"])).entries
        assert {entry.address for entry in found} == {"10.20.30.40"}


class Trusting:
    """What must never be: a middleware that takes whoever says so for somebody at home."""

    owner: Client

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("X-Forwarded-For") == "127.0.0.1":
            request.COOKIES.update({name: morsel.value for name, morsel in self.owner.cookies.items()})
        return self.get_response(request)


def test_a_middleware_that_believes_a_proxy_would_be_found(principals: dict[str, Knock]) -> None:
    Trusting.owner = principals["owner"]()
    asked = next(d for d in DECLARATIONS if d.edge is Edge.CONSOLE and d.path == "people")
    with override_settings(MIDDLEWARE=[f"{__name__}.Trusting", *settings.MIDDLEWARE]):
        nobody = Client(headers={"host": "localhost"}, REMOTE_ADDR=ADDRESS)
        one = {"X-Forwarded-For": DISGUISES["X-Forwarded-For"]}
        assert differences(lambda: nobody, asked, one) == ["GET people in X-Forwarded-For: 302 became 200"]


def differences(knock: Knock, declaration: Declaration, disguises: dict[str, dict[str, str]]) -> list[str]:
    """What each disguise changes. Where even two plain answers differ in what they show, as a list of what was just
    done does, the rest is compared."""
    route = f"{declaration.method} {declaration.path}"
    url, method = fill(declaration.path), declaration.method
    plain = [answer_of(send(knock(), url, {}, method)) for _ in range(2)]
    steady = plain[0] == plain[1]
    found = []
    for name, disguise in disguises.items():
        seen = answer_of(send(knock(), url, disguise, method))
        if seen[:2] != plain[1][:2] or (steady and seen != plain[1]):
            what = f"{plain[1][0]} became {seen[0]}" if plain[1][0] != seen[0] else "headers or body differ"
            found.append(f"{route} in {name}: {what}")
    return found


def send(client: Client, url: str, disguise: dict[str, str], method: str = "GET") -> HttpResponse:
    form = "application/x-www-form-urlencoded"
    return client.generic(method, url, b"", content_type=form, secure=True, **disguise)


def answer_of(response: HttpResponse) -> tuple[int, dict[str, str], str]:
    """Status, headers and body, without what is new in every answer: ids, and tokens against forgery."""
    changing = {"X-Request-Id", "Date", "Content-Length", "Set-Cookie", "ETag"}
    headers = {name: value for name, value in response.headers.items() if name not in changing}
    headers |= {f"cookie {name}": morsel["path"] + morsel["samesite"] for name, morsel in response.cookies.items()}
    body = b"" if response.streaming else response.content
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "an-id", body.decode())
    return response.status_code, headers, re.sub(r"\b[A-Za-z0-9]{64}\b", "a-token", text)


def test_the_comparison_sees_headers_and_bodies_too() -> None:
    plain, other = HttpResponse("a"), HttpResponse("b")
    assert answer_of(plain) != answer_of(other)
    other.content = b"a"
    assert answer_of(plain) == answer_of(other)
    other["X-Internal"] = "yes"
    assert answer_of(plain) != answer_of(other)
