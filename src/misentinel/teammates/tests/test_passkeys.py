"""Passkeys through the browser's eyes, with a device in software; and every lie that a device could tell."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, in_future
from misentinel.kernel.errors import Conflict, Misconfigured
from misentinel.teammates import actions, passkeys, queries, second_factor
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import Challenge, Passkey, SignInFailure, Teammate
from misentinel.teammates.passkeys import NotShown, Purpose
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries, list_platform_entries
from tests.cast import browser, hire, signed_in
from tests.soft_passkey import UP, Device

SESSIONS = "/account/sessions"


@pytest.fixture(scope="module")
def acme():
    from conftest import _customer

    yield from _customer("Acme")


@pytest.fixture
def asha(acme) -> Teammate:
    """Enrolled with an authenticator and, through the pages, with a passkey."""
    teammate = hire(acme.customer_id, "Asha", [Permission.USER_DATA])
    teammate.device = Device()
    add(signed_in(teammate), teammate.device)
    return teammate


def add(client: Client, device: Device, name: str = "Laptop") -> int:
    options = client.post("/account/factors/passkey/options").json()
    return client.post("/account/factors/passkey", {"answer": device.create(options), "name": name}).status_code


def show(client: Client, device: Device, options: dict | None = None, **lies: str):
    options = options or client.post("/sign-in/passkey/options").json()
    return client.post("/sign-in/passkey", {"answer": device.get(options, **lies), "next": SESSIONS})


def why(acme, teammate: Teammate) -> str:
    """The reason that the trail gives for the latest failure."""
    found = list_entries(acme, EntryFilter(tag="sign_in:fail", object_id=str(teammate.id)))
    return str(found.entries[0].details["reason"])


def test_a_passkey_signs_in_by_itself_and_the_trail_says_how(acme, asha) -> None:
    client = browser()
    assert show(client, asha.device).url == SESSIONS
    assert client.get(SESSIONS).status_code == 200
    entry = list_entries(acme, EntryFilter(tag="sign_in:succeed", actor_id=str(asha.id))).entries[0]
    assert entry.details["second_factor"] == "passkey"


def test_everything_asks_for_user_verification_and_names_our_own_host(asha) -> None:
    client = browser()
    asked = [
        client.post("/sign-in/passkey/options", headers={"host": "evil.test"}).json(),
        signed_in(asha).post("/account/factors/passkey/options", headers={"host": "evil.test"}).json(),
    ]
    assert asked[0]["userVerification"] == "required"
    assert asked[0]["rpId"] == asked[1]["rp"]["id"] == "localhost"
    assert "allowCredentials" not in asked[0], "nobody is told whose passkeys there are"
    selection = asked[1]["authenticatorSelection"]
    assert (selection["userVerification"], selection["residentKey"]) == ("required", "required")


def test_a_device_without_user_verification_is_refused_when_adding_and_when_signing_in(acme, asha) -> None:
    assert add(signed_in(asha), Device(flags=UP)) == 422
    assert Passkey.objects.filter(teammate=asha).count() == 1
    asha.device.flags = UP
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "user_verification"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test", "http://localhost:8443", "https://localhost", "https://localhost:9443",
        "https://sub.localhost:8443", "https://localhost:8443.evil.test", "https://LOCALHOST:8443", "null",
    ],
)  # fmt: skip
def test_an_answer_from_another_origin_is_refused(acme, asha, origin: str) -> None:
    """Also what a phishing page gets from its visitor, and what a subdomain that somebody took over gets."""
    asha.device.origin = origin
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "origin"
    assert add(signed_in(asha), Device(origin=origin)) == 422


def test_the_host_header_makes_no_origin_ours(acme, asha) -> None:
    asha.device.origin = "https://evil.test"
    client = browser()
    options = client.post("/sign-in/passkey/options", headers={"host": "evil.test"}).json()
    answer = asha.device.get(options)
    assert client.post("/sign-in/passkey", {"answer": answer}, headers={"host": "evil.test"}).status_code == 422
    assert why(acme, asha) == "origin"


def test_a_page_that_frames_ours_cannot_borrow_a_passkey(acme, asha) -> None:
    asha.device.cross_origin = True
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "cross_origin"


def test_a_passkey_for_another_site_is_refused(acme, asha) -> None:
    assert show(browser(), asha.device, rp_id="evil.test").status_code == 422
    assert why(acme, asha) == "relying_party"


def test_a_signature_by_another_key_is_refused(acme, asha) -> None:
    asha.device.key = Device().key
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "signature"


def test_an_answer_made_for_adding_does_not_sign_in(acme, asha) -> None:
    assert show(browser(), asha.device, kind="webauthn.create").status_code == 422


def test_a_challenge_is_used_once(acme, asha) -> None:
    client = browser()
    options = client.post("/sign-in/passkey/options").json()
    answer = asha.device.get(options)
    nonce = client.session["passkey_binding"]
    passkeys.check(Purpose.SIGN_IN, nonce, answer, None)
    assert client.post("/sign-in/passkey", {"answer": answer}).status_code == 422, "the same answer once more"
    assert show(client, asha.device, options).status_code == 422, "a fresh answer to the same challenge"


def test_a_challenge_is_spent_by_a_wrong_answer_too(asha) -> None:
    client = browser()
    options = client.post("/sign-in/passkey/options").json()
    assert client.post("/sign-in/passkey", {"answer": Device().get(options)}).status_code == 422
    assert show(client, asha.device, options).status_code == 422


def test_a_challenge_lasts_five_minutes(asha) -> None:
    client = browser()
    options = client.post("/sign-in/passkey/options").json()
    with held(in_future(minutes=5)):
        assert show(client, asha.device, options).status_code == 422
    options = client.post("/sign-in/passkey/options").json()
    with held(in_future(minutes=4, seconds=55)):
        assert show(client, asha.device, options).status_code == 302


def test_a_challenge_belongs_to_the_browser_that_asked_for_it(asha) -> None:
    """An attacker's own challenge, signed by somebody they lured, must not sign the attacker in elsewhere."""
    options = browser().post("/sign-in/passkey/options").json()
    stranger = browser()
    stranger.post("/sign-in/passkey/options")
    assert show(stranger, asha.device, options).status_code == 422


def test_a_challenge_for_one_purpose_serves_no_other(asha) -> None:
    client = signed_in(asha)
    options = client.post("/account/factors/passkey/options").json()
    answer = asha.device.get({**options, "rpId": "localhost"})
    with pytest.raises(NotShown, match="challenge"):
        passkeys.check(Purpose.SIGN_IN, client.session["passkey_binding"], answer, None)


def test_a_counter_that_goes_back_is_refused_and_on_the_trail(acme, asha) -> None:
    """Two devices hold the key: one of them is a copy."""
    assert show(browser(), asha.device).status_code == 302
    asha.device.counter -= 1
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "counter_went_back"
    asha.device.counts = False
    asha.device.counter = 0
    assert show(browser(), asha.device).status_code == 422, "nor does a counter vanish"


def test_a_device_without_a_counter_signs_in_again_and_again(asha) -> None:
    device = Device(counts=False)
    assert add(signed_in(asha), device) == 302
    assert [show(browser(), device).status_code for _ in range(2)] == [302, 302]


def test_somebody_elses_passkey_is_no_second_factor(acme, asha) -> None:
    mallory = hire(acme.customer_id, "Mallory", [])
    theirs = Device()
    assert add(signed_in(mallory), theirs) == 302
    asked = passkeys.options_to_show(Purpose.SECOND_FACTOR, "a session", asha)
    with pytest.raises(NotShown, match="not_theirs"):
        passkeys.check(Purpose.SECOND_FACTOR, "a session", theirs.get(asked), asha)


def test_the_user_handle_must_agree_with_whose_the_passkey_is(acme, asha) -> None:
    asha.device.handle = hire(acme.customer_id, "Ben", []).id.bytes
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "user_handle"


def test_an_unknown_passkey_is_told_like_a_wrong_one(acme, asha) -> None:
    asha.device.origin = "https://evil.test"
    stranger = Device(handle=asha.id.bytes)
    answers = [show(browser(), device) for device in (asha.device, stranger)]
    assert [answer.status_code for answer in answers] == [422, 422]
    texts = [answer.content.decode().partition("alert-danger")[2].partition("</div>")[0] for answer in answers]
    assert texts[0] == texts[1] != ""
    entry = list_platform_entries(EntryFilter(tag="sign_in:fail")).entries[0]
    assert entry.details["reason"] == "unknown"


def test_one_passkey_belongs_to_one_teammate(acme, asha) -> None:
    ben = hire(acme.customer_id, "Ben", [])
    assert add(signed_in(ben), asha.device) == 409
    assert Passkey.objects.get(credential_id=asha.device.credential_id).teammate_id == asha.id


def test_a_suspended_teammates_passkey_opens_nothing(acme, asha) -> None:
    hire(acme.customer_id, "Owner")
    actions.suspend_teammate(system("test"), acme.customer_id, asha.id)
    assert show(browser(), asha.device).status_code == 422
    assert why(acme, asha) == "suspended"


def test_guessing_at_the_password_does_not_hold_up_the_passkey(asha) -> None:
    SignInFailure.objects.all().delete()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MISENTINEL_SIGN_IN_ATTEMPTS", "1")
        statuses = [
            browser().post("/sign-in", {"email": asha.email, "password": "not this one at all"}).status_code
            for _ in range(3)
        ]
        assert statuses == [422, 429, 429]
        assert show(browser(), asha.device).status_code == 302
    SignInFailure.objects.all().delete()


def test_a_passkey_is_factor_enough_and_the_last_factor_stays(acme, asha) -> None:
    client = signed_in(asha)
    assert client.post("/account/factors/authenticator/remove").status_code == 302
    assert client.get(SESSIONS).status_code == 200
    (only,) = queries.list_factors(asha.id).passkeys
    answer = client.post(f"/account/factors/passkey/{only.id}/remove")
    assert answer.status_code == 409
    assert "last second factor" in answer.content.decode()
    assert client.get(SESSIONS).status_code == 200
    Passkey.objects.filter(teammate=asha).delete()
    assert client.get(SESSIONS).status_code == 302, "without any factor nothing opens"


def test_a_removed_passkey_opens_nothing(asha) -> None:
    (only,) = queries.list_factors(asha.id).passkeys
    assert signed_in(asha).post(f"/account/factors/passkey/{only.id}/remove").status_code == 302
    assert show(browser(), asha.device).status_code == 422


def test_a_passkey_is_named_and_renamed(acme, asha) -> None:
    client = signed_in(asha)
    (one,) = queries.list_factors(asha.id).passkeys
    assert one.name == "Laptop"
    assert client.post(f"/account/factors/passkey/{one.id}/name", {"name": " Work  laptop "}).status_code == 302
    assert "Work laptop" in client.get("/account/factors").content.decode()
    assert client.post(f"/account/factors/passkey/{one.id}/name", {"name": "x" * 61}).status_code == 422
    ben = hire(acme.customer_id, "Ben", [])
    for what in ("name", "remove"):
        assert signed_in(ben).post(f"/account/factors/passkey/{one.id}/{what}", {"name": "Mine"}).status_code == 404


def test_new_recovery_codes_replace_the_old_ones(acme, asha) -> None:
    old = second_factor.replace_recovery_codes(asha)
    page = signed_in(asha).post("/account/factors/recovery-codes").content.decode()
    new = page.partition('id="codes"')[2].partition(">")[2].partition("</pre>")[0].split()
    assert len(set(new)) == 10
    assert not second_factor.accept_recovery_code(asha, old[0])
    assert second_factor.accept_recovery_code(asha, new[0])
    assert not second_factor.accept_recovery_code(asha, new[0])
    assert list_entries(acme, EntryFilter(tag="recovery_codes:renew", actor_id=str(asha.id))).entries


def test_enrolling_with_a_passkey_instead_of_an_authenticator(acme, asha) -> None:
    """And it replaces every earlier factor: whoever needs a new link may have lost them."""
    ben = hire(acme.customer_id, "Ben")
    add(signed_in(ben), Device(), "Ben's own")
    link = actions.renew_enrolment(system("test"), acme.customer_id, asha.id)
    client, device = browser(), Device()
    password = "seven quiet otters by the weir"
    assert client.post(link.path, {"password": password, "repeated": password}).status_code == 302
    options = client.post("/enrolment/passkey/options").json()
    assert options["excludeCredentials"]
    done = client.post("/enrolment/passkey", {"answer": device.create(options), "name": "Phone"})
    assert done.status_code == 200, done.content.decode()
    assert "recovery" in done.content.decode().lower()
    assert client.get(SESSIONS).status_code == 200
    factors = queries.list_factors(asha.id)
    assert [one.name for one in factors.passkeys] == ["Phone"]
    assert factors.authenticator_since is None
    assert [one.name for one in queries.list_factors(ben.id).passkeys] == ["Ben's own"]
    assert show(browser(), asha.device).status_code == 422, "the lost one"
    after = browser()
    assert after.post("/sign-in", {"email": asha.email, "password": password}).url == "/sign-in/code"
    asked = after.post("/sign-in/code/passkey/options").json()
    assert [one["id"] for one in asked["allowCredentials"]]
    assert after.post("/sign-in/code/passkey", {"answer": device.get(asked)}).status_code == 302
    assert after.get(SESSIONS).status_code == 200


def test_the_second_factors_page_is_for_those_who_gave_a_password(asha) -> None:
    client = browser()
    assert client.post("/sign-in/code/passkey/options").status_code == 302
    assert client.post("/sign-in/code/passkey", {"answer": "{}"}).url == "/sign-in"


def test_a_challenge_is_never_left_in_a_transaction_that_may_be_undone(asha) -> None:
    from django.db import transaction

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        passkeys.check(Purpose.SIGN_IN, "a session", "{}", None)


@pytest.mark.parametrize("url", ["http://example.com", "", "https://", "localhost:8443"])
def test_passkeys_need_a_public_url_with_tls(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MISENTINEL_PUBLIC_URL", url)
    if not url:
        assert passkeys.origin() == "https://localhost:8443"
        return
    with pytest.raises(Misconfigured):
        passkeys.origin()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://console.example.com/", "https://console.example.com"),
        ("https://Console.Example.com:443", "https://console.example.com"),
        ("https://console.example.com:8443/x", "https://console.example.com:8443"),
        ("https://köln.example.com", "https://xn--kln-sna.example.com"),
    ],
)
def test_the_origin_is_spelt_as_browsers_do(monkeypatch: pytest.MonkeyPatch, url: str, origin: str) -> None:
    monkeypatch.setenv("MISENTINEL_PUBLIC_URL", url)
    assert passkeys.origin() == origin


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "id",
    "rawId",
    "type",
    "response",
    "clientExtensionResults",
    "clientDataJSON",
    "authenticatorData",
    "signature",
)


@settings(max_examples=25)
@given(answer=JSON, field=st.sampled_from(FIELDS), value=JSON)
def test_nonsense_is_refused_and_never_an_error_of_ours(answer, field, value) -> None:
    device = Device()
    real = json.loads(device.get({"challenge": "AAAA", "rpId": "localhost"}))
    (real["response"] if field in real["response"] else real)[field] = value
    for said in (answer, real):
        for reader in (passkeys.RegistrationResponse, passkeys.AuthenticationResponse):
            try:
                passkeys._parse(reader.from_dict, json.dumps(said))
            except NotShown as refused:
                assert refused.reason == "unreadable"


@pytest.mark.parametrize(
    "answer", ["", "x", "[]", "null", "1", '{"id": 1}', "[" * 20_000, "\ud800", "{}" + " " * 40_000]
)
def test_what_is_no_answer_gets_a_page(asha, answer: str) -> None:
    client = browser()
    client.post("/sign-in/passkey/options")
    answer = answer.encode("utf-8", "replace").decode()
    assert client.post("/sign-in/passkey", {"answer": answer}).status_code == 422


def test_a_tampered_device_key_is_refused(asha) -> None:
    client, device = signed_in(asha), Device()
    options = client.post("/account/factors/passkey/options").json()
    for broken in ("attestationObject", "clientDataJSON"):
        answer = json.loads(device.create(options))
        answer["response"][broken] = answer["response"][broken][:-8] + "AAAAAAAA"
        assert client.post("/account/factors/passkey", {"answer": json.dumps(answer)}).status_code == 422


def test_there_is_an_end_to_how_many(asha, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    with pytest.raises(Conflict):
        passkeys.keep(asha, passkeys.NewPasskey(b"1", b"2", 0, False), "One more")


def test_challenges_nobody_answered_are_forgotten(asha) -> None:
    browser().post("/sign-in/passkey/options")
    assert Challenge.objects.exists()
    with held(in_future(minutes=6)):
        passkeys.forget_old()
    assert not Challenge.objects.exists()


def later(asha: Teammate) -> Client:
    """Asha's browser, signed in six minutes ago."""
    with held(in_future(minutes=-6)):
        return signed_in(asha)


def prove(client: Client, device: Device, options: dict) -> int:
    return send(client, device.get(options))


def send(client: Client, answer: str) -> int:
    fields = urlencode({"step-up-way": "passkey", "step-up-code": answer})
    url = "/account/factors/recovery-codes"
    return client.post(url, fields, content_type="application/x-www-form-urlencoded").status_code


def test_a_passkey_is_a_fresh_proof_once(acme, asha) -> None:
    client = later(asha)
    assert client.get("/account/factors/passkey").status_code == 403
    options = client.post("/account/confirm/passkey/options").json()
    answer = asha.device.get(options)
    assert send(client, answer) == 200
    assert client.get("/account/factors/passkey").status_code == 200
    entry = list_entries(acme, EntryFilter(tag="step_up:succeed", actor_id=str(asha.id))).entries[0]
    assert entry.details["second_factor"] == "passkey"
    with held(in_future(minutes=4)):
        assert client.get("/account/factors/passkey").status_code == 200
    with held(in_future(minutes=6)):
        assert send(client, answer) == 403, "the same answer again"


def test_nobody_elses_passkey_and_no_challenge_of_another_kind_is_a_fresh_proof(acme, asha) -> None:
    client, theirs = later(asha), Device()
    assert add(signed_in(hire(acme.customer_id, "Mallory", [])), theirs) == 302
    assert prove(client, theirs, client.post("/account/confirm/passkey/options").json()) == 403
    assert prove(client, asha.device, client.post("/sign-in/passkey/options").json()) == 403
    asha.device.flags = UP
    assert prove(client, asha.device, client.post("/account/confirm/passkey/options").json()) == 403
    reasons = [
        e.details["reason"] for e in list_entries(acme, EntryFilter(tag="step_up:fail", actor_id=str(asha.id))).entries
    ]
    assert reasons == ["user_verification", "challenge", "not_theirs"]


def test_factors_change_only_with_a_fresh_proof(asha) -> None:
    client = later(asha)
    (one,) = queries.list_factors(asha.id).passkeys
    for url in (
        "passkey", "authenticator", "authenticator/remove", f"passkey/{one.id}/remove", "recovery-codes",
    ):  # fmt: skip
        assert client.post(f"/account/factors/{url}").status_code == 403, url
    assert queries.list_factors(asha.id).removable
