"""A provider that lies, and browsers that did not begin: nobody gets in, and the trail says why."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import OctKey

from misentinel.kernel.clock import held, in_future
from misentinel.teammates.actions import connecting
from misentinel.teammates.models import Connection, SignInFailure, SingleSignOn, Teammate
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, hire
from tests.single_sign_on.steps import OPERATOR, begin, connect_oidc, hire_at

ASHA = "asha@acme.example.com"


@pytest.fixture
def connection(acme, hostile):
    hostile.behave()
    return connect_oidc(acme.customer_id, hostile.issuer, "acme.example.com")


@pytest.fixture
def asha(acme, connection):
    return hire_at(acme.customer_id, ASHA)


def asked_by(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def come_back(client, connection, state: str, **more: str):
    path = f"/sign-in/company/{connection.id}/callback"
    return client.get(path, {"code": "anything", "state": state, **more}, secure=True)


def last_reason(acme) -> str:
    (entry, *_) = list_entries(acme, EntryFilter(tag="sso:answer", outcome="refused")).entries
    return entry.details["reason"]


def test_the_lying_provider_is_believed_when_it_tells_the_truth(asha, hostile, connection):
    """Or every refusal below could be for some other reason."""
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    back = come_back(client, connection, asked_by(url)["state"])
    assert back["Location"] == "/sign-in/code"
    assert len(hostile.exchange["code_verifier"][0]) >= 43


NOW = int(time.time())
LIES = {
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "another"},
    "two audiences": {"aud": ["misentinel", "another"]},
    "no audience": {"aud": None},
    "authorized party": {"azp": "another"},
    "issuer": {"iss": "https://accounts.google.com"},
    "expired": {"exp": NOW - 120},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "tomorrow"},
    "true is no time": {"exp": True},
    "not yet": {"nbf": NOW + 3600},
    "issued long ago": {"iat": NOW - 3600},
    "issued in the future": {"iat": NOW + 3600},
    "no subject": {"sub": None},
    "no address": {"email": None},
    "address not verified": {"email_verified": False},
    "address verified in words": {"email_verified": "true"},
    "another domain": {"email": "asha@bolt.example.com"},
    "a subdomain": {"email": "asha@sub.acme.example.com"},
    "two addresses in one": {"email": "asha@acme.example.com@bolt.example.com"},
    "a list of addresses": {"email": [ASHA]},
}


def test_a_token_that_is_not_wholly_right_lets_nobody_in(acme, asha, hostile, connection):
    for lie, claims in LIES.items():
        client, url = begin(ASHA)
        hostile.speak_of(ASHA, asked_by(url), **claims)
        assert come_back(client, connection, asked_by(url)["state"]).status_code == 401, lie
        assert client.get("/sign-in/code", secure=True)["Location"] == "/sign-in", "not even half-way"
        SignInFailure.objects.all().delete()
    refusals = list_entries(acme, EntryFilter(tag="sso:answer", outcome="refused")).entries
    reasons = [entry.details["reason"] for entry in refusals]
    assert {"nonce", "audience", "authorized_party", "issuer", "expired", "not_yet", "stale", "subject", "no_email",
            "email_not_verified", "domain"} <= set(reasons)  # fmt: skip


def test_a_token_without_a_signature_or_by_another_key_lets_nobody_in(acme, asha, hostile, connection):
    client_secret = OctKey.import_key("x" * 30)
    for key, algorithm in ((None, "none"), (hostile.other_key, "RS256"), (client_secret, "HS256")):
        client, url = begin(ASHA)
        hostile.key, hostile.algorithm = key, algorithm
        hostile.speak_of(ASHA, asked_by(url))
        assert come_back(client, connection, asked_by(url)["state"]).status_code == 401, algorithm
        assert last_reason(acme) == "signature"


def test_a_key_that_the_provider_withdrew_counts_no_longer_and_its_next_one_at_once(asha, hostile, connection):
    for published, signing, expected in (
        (hostile.honest_key, hostile.honest_key, 302),
        (hostile.other_key, hostile.honest_key, 401),
        (hostile.other_key, hostile.other_key, 302),
    ):
        client, url = begin(ASHA)
        hostile.published, hostile.key = published, signing
        hostile.speak_of(ASHA, asked_by(url))
        assert come_back(client, connection, asked_by(url)["state"]).status_code == expected


def test_an_answer_counts_once_and_in_the_browser_that_began(asha, hostile, connection):
    client, url = begin(ASHA)
    asked = asked_by(url)
    hostile.speak_of(ASHA, asked)
    victim, _ = begin("someone@acme.example.com")
    for stranger in (browser(), victim):
        calls = len(hostile.calls)
        assert come_back(stranger, connection, asked["state"]).status_code == 404, "login CSRF"
        assert len(hostile.calls) == calls, "the code is not even traded"
    assert come_back(client, connection, "guessed").status_code == 404
    assert come_back(client, connection, asked["state"]).status_code == 302
    assert come_back(client, connection, asked["state"]).status_code == 404


def test_an_answer_that_comes_too_late_is_none(asha, hostile, connection):
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    with held(in_future(minutes=11)):
        assert come_back(client, connection, asked_by(url)["state"]).status_code == 404
    assert SingleSignOn.objects.get().answered_at is None


def test_an_answer_of_another_connection_or_issuer_is_not_taken(acme, bolt, asha, hostile, connection):
    """Mix-up (RFC 9207): the answer names who answered, and each connection has an address of its own."""
    other = connect_oidc(bolt.customer_id, hostile.issuer, "bolt.example.com")
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    assert come_back(client, other, asked_by(url)["state"]).status_code == 404
    assert come_back(client, connection, asked_by(url)["state"], iss="https://evil.example.com").status_code == 401
    hostile.configuration = {"authorization_response_iss_parameter_supported": True}
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    assert come_back(client, connection, asked_by(url)["state"]).status_code == 401
    assert last_reason(acme) == "mixed_up"


def test_mallorys_connection_cannot_claim_acmes_people(acme, bolt, asha, hostile, connection):
    """Neither while Acme lists the domain, nor when Acme does not and Mallory's provider names Acme's teammates."""
    with pytest.raises(connecting.Conflict):
        connect_oidc(bolt.customer_id, hostile.issuer, "bolt.example.com, acme.example.com")
    assert Connection.objects.filter(customer_id=bolt.customer_id).count() == 0
    Connection.objects.all().delete()
    mallorys = connect_oidc(bolt.customer_id, hostile.issuer, "acme.example.com")
    connecting.set_joining(
        OPERATOR, bolt.customer_id, mallorys.id, just_in_time=True, default_permissions=(), ceiling=()
    )
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    refused = come_back(client, mallorys, asked_by(url)["state"])
    assert refused.status_code == 401
    assert "not a teammate here" in refused.content.decode()
    assert last_reason(bolt) == "another_customer"
    assert Teammate.objects.get(email=ASHA).customer_id == acme.customer_id


def test_somebody_suspended_stays_out_whatever_the_provider_says(acme, asha, hostile, connection):
    Teammate.objects.filter(id=asha.id).update(suspended_at=in_future(minutes=-1))
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    assert come_back(client, connection, asked_by(url)["state"]).status_code == 401
    assert last_reason(acme) == "suspended"


def test_whoever_may_do_more_than_the_connection_enrols_with_their_link(acme, asha, hostile, connection):
    """The provider's word alone must not become a way into an account that nobody has enrolled yet."""
    Teammate.objects.filter(id=asha.id).update(enrolled_at=None)
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    assert come_back(client, connection, asked_by(url)["state"]).status_code == 401
    assert last_reason(acme) == "enrol_first"


def test_google_must_name_one_of_the_companys_hosted_domains(acme, asha, hostile, connection):
    Connection.objects.update(google=True)
    for hosted, expected in ((None, 401), ("gmail.com", 401), ("acme.example.com", 302)):
        client, url = begin(ASHA)
        assert asked_by(url)["hd"] == "acme.example.com"
        hostile.speak_of(ASHA, asked_by(url), hd=hosted)
        assert come_back(client, connection, asked_by(url)["state"]).status_code == expected, hosted


@pytest.mark.parametrize("onward", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_after_signing_in_nobody_is_led_elsewhere(asha, hostile, connection, onward):
    client, url = begin(ASHA, next=onward)
    hostile.speak_of(ASHA, asked_by(url))
    come_back(client, connection, asked_by(url)["state"])
    assert client.session["half_way_in"]["next"] == "/"


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        ({"issuer": "https://other.example.com"}, "calls itself"),
        ({"token_endpoint": "http://localhost/token"}, "token_endpoint"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
    ],
)
def test_a_configuration_that_is_not_right_is_told_when_the_connection_is_made(acme, hostile, configuration, told):
    hostile.behave()
    hostile.configuration = configuration
    with pytest.raises(connecting.Invalid, match=told):
        connect_oidc(acme.customer_id, hostile.issuer, "acme.example.com")


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254", "https://localhost:1", "https://10.0.0.1", "http://id.test"]
)
def test_an_issuer_inside_our_own_network_is_never_called(acme, hostile, url):
    with pytest.raises(connecting.Invalid):
        connect_oidc(acme.customer_id, url, "acme.example.com")


def test_a_provider_that_sends_us_inside_is_not_followed(acme, asha, hostile, connection):
    """The guard stands before every address, those that the provider names too."""
    hostile.configuration = {"token_endpoint": "https://169.254.169.254/latest"}
    client, url = begin(ASHA)
    hostile.speak_of(ASHA, asked_by(url))
    assert come_back(client, connection, asked_by(url)["state"]).status_code == 422
    assert last_reason(acme) == "not_reachable"


def test_how_a_company_signs_in_is_told_alike_for_known_and_unknown_names(acme, asha, connection):
    hire(acme.customer_id, "Somebody")
    emails = (ASHA, "no@acme.example.com")
    pages = [browser().post("/sign-in/company", {"email": email}, secure=True) for email in emails]
    assert {page.status_code for page in pages} == {200}
    known, unknown = ({*asked_by(page["Refresh"].split("url=")[1])} for page in pages)
    assert known == unknown


def test_beginning_over_and_over_is_slowed_down_per_address(asha, connection):
    statuses = [browser().post("/sign-in/company", {"email": ASHA}, secure=True).status_code for _ in range(12)]
    assert statuses[:10] == [200] * 10
    assert statuses[-1] == 429
    elsewhere = browser()
    elsewhere.defaults["REMOTE_ADDR"] = "192.0.2.99"
    assert elsewhere.post("/sign-in/company", {"email": ASHA}, secure=True).status_code == 200
