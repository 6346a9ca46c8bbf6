"""OpenID Connect with a certified provider that others wrote: from the sign-in page to the second factor."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from misentinel.teammates.actions import connecting
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import Connection, SessionRecord, Teammate
from misentinel.teammates.second_factor import replace_authenticator
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, code_for, signed_in
from tests.single_sign_on.steps import OPERATOR, begin, connect_oidc, hire_at, onward

pytestmark = pytest.mark.strangers
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def connection(acme, oidc_provider):
    return connect_oidc(acme.customer_id, oidc_provider["issuer"], "acme.example.com", oidc_provider["secret"])


def sign_in_there(url: str, login: str, authority) -> str:
    """Drives the provider's own pages as a browser would. Returns where it sends the browser at last."""
    with requests.Session() as there:
        there.verify, there.trust_env = str(authority), False
        page = there.get(url, allow_redirects=False)
        for _ in range(12):
            if page.is_redirect:
                target = urljoin(page.url, page.headers["Location"])
                if urlsplit(target).port == 8443:
                    return target
                page = there.get(target, allow_redirects=False)
                continue
            assert page.status_code == 200, page.text[:500]
            action = re.search(r'action="([^"]+)"', page.text)[1]
            prompt = re.search(r'name="prompt" value="(\w+)"', page.text)[1]
            fields = {"prompt": prompt, "login": login, "password": "anything"}
            page = there.post(urljoin(page.url, action), fields, allow_redirects=False)
        raise AssertionError("the provider never sent the browser back")


def come_back(client, url: str):
    parts = urlsplit(url)
    return client.get(f"{parts.path}?{parts.query}", secure=True)


def test_the_provider_takes_the_passwords_place_and_the_second_factor_follows(acme, connection, certificate):
    nadia = hire_at(acme.customer_id, "nadia@acme.example.com")
    replace_authenticator(nadia, SEED)
    client, url = begin("Nadia@acme.example.com", next="/people")
    back = come_back(client, sign_in_there(url, "nadia@acme.example.com", certificate.authority))
    assert (back.status_code, back["Location"]) == (302, "/sign-in/code"), back.content.decode()
    assert client.get("/people", secure=True).status_code == 302, "half-way in opens nothing"
    assert SessionRecord.objects.filter(teammate=nadia).count() == 0
    done = client.post("/sign-in/code", {"code": code_for(SEED)}, secure=True)
    assert (done.status_code, done["Location"]) == (302, "/people")
    assert client.get("/", secure=True).status_code == 200
    tags = [entry.tag for entry in list_entries(acme, EntryFilter(actor_id=str(nadia.id))).entries]
    assert {"sso:answer", "sign_in:succeed"} <= set(tags)


def test_what_we_ask_for_holds_pkce_state_and_nonce(connection):
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begin("x@acme.example.com")[1]).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == connection.callback_url
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3


def test_whoever_nobody_invited_stays_out_until_the_connection_lets_people_join(acme, connection, certificate):
    client, url = begin("new@acme.example.com")
    refused = come_back(client, sign_in_there(url, "new@acme.example.com", certificate.authority))
    assert refused.status_code == 401
    assert "not a teammate here" in refused.content.decode()
    assert not Teammate.objects.filter(email="new@acme.example.com").exists()
    connecting.set_joining(
        OPERATOR, acme.customer_id, connection.id, just_in_time=True, ceiling={Permission.REPORTS},
        default_permissions={Permission.REPORTS},
    )  # fmt: skip
    client, url = begin("new@acme.example.com")
    joined = come_back(client, sign_in_there(url, "new@acme.example.com", certificate.authority))
    assert (joined.status_code, joined["Location"]) == (302, "/enrolment/authenticator")
    new = Teammate.objects.get(email="new@acme.example.com")
    assert (new.customer_id, new.name, new.permissions) == (acme.customer_id, "Nadia Sand", ["reports"])
    assert not new.may_sign_in, "nobody is in without a second factor"
    page = client.get("/enrolment/authenticator", secure=True).content.decode()
    seed = re.search(r"((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})", page)[1].replace(" ", "")
    assert client.post("/enrolment/authenticator", {"code": code_for(seed)}, secure=True).status_code == 200
    assert client.get("/", secure=True).status_code == 200
    new.refresh_from_db()
    assert not new.has_usable_password()


def test_an_address_that_the_provider_does_not_vouch_for_is_nobodys(acme, connection, certificate):
    hire_at(acme.customer_id, "asha@acme.example.com")
    client, url = begin("asha@acme.example.com")
    back = come_back(client, sign_in_there(url, "unverified:asha@acme.example.com", certificate.authority))
    assert back.status_code == 401
    assert "does not vouch" in back.content.decode()


def test_an_administrator_tests_the_connection_before_anybody_needs_it(acme, connection, certificate):
    Connection.objects.update(tested_at=None)
    asha = hire_at(acme.customer_id, "asha@acme.example.com")
    assert browser().post("/sign-in/company", {"email": asha.email}, secure=True).status_code == 401
    client = signed_in(asha)
    url = onward(client.post(f"/settings/single-sign-on/{connection.id}/test", secure=True))
    back = come_back(client, sign_in_there(url, "asha@acme.example.com", certificate.authority))
    assert (back.status_code, back["Location"]) == (302, f"/settings/single-sign-on/{connection.id}")
    assert Connection.objects.get().tested_at is not None
    assert client.get("/", secure=True).status_code == 200, "and is signed in as before"


def test_a_wrong_client_secret_is_told_in_words(acme, connection, certificate):
    hire_at(acme.customer_id, "asha@acme.example.com")
    connecting.edit_oidc(
        OPERATOR, acme.customer_id, connection.id, name="Acme", domains="acme.example.com", client_id="misentinel",
        issuer=connection.issuer, secret="wrong" * 6,
    )  # fmt: skip
    Connection.objects.update(tested_at=connection.tested_at or "2026-01-01T00:00:00Z")
    client, url = begin("asha@acme.example.com")
    back = come_back(client, sign_in_there(url, "asha@acme.example.com", certificate.authority))
    assert back.status_code == 401
    assert "invalid_client" in back.content.decode()
