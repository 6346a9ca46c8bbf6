"""Signing in through the browser's eyes: password, code, session; and every way to get in without them."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, in_future, now
from misentinel.teammates import actions, queries, second_factor
from misentinel.teammates.contracts import Permission
from misentinel.teammates.jobs import forget_what_ended
from misentinel.teammates.models import Enrolment, SessionRecord, SignInFailure, Teammate
from misentinel.teammates.passwords.hashing import PepperedArgon2id
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries, list_platform_entries
from tests.cast import browser, code_for, hire, signed_in

PASSWORD = "seven quiet otters by the weir"


@pytest.fixture(autouse=True)
def no_earlier_tries():
    SignInFailure.objects.all().delete()


@pytest.fixture(scope="module")
def password_digest() -> str:
    return make_password(PASSWORD)


@pytest.fixture
def asha(acme, password_digest):
    """Enrolled, with a password, and signed in once from the tests' address."""
    teammate = hire(acme.customer_id, "Asha", [Permission.USER_DATA])
    teammate.password = password_digest
    teammate.save()
    teammate.browser = signed_in(teammate)
    return teammate


def enrol(client: Client, path: str) -> tuple[str, list[str]]:
    """Returns the seed and the recovery codes that the pages showed."""
    assert client.get(path).status_code == 200
    answer = client.post(path, {"password": PASSWORD, "repeated": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    page = client.get(answer.url).content.decode()
    seed = re.search(r'id="seed"[^>]*>([A-Z2-7 ]+)<', page)[1].replace(" ", "")
    assert "data:image/svg+xml;base64," in page
    done = client.post(answer.url, {"code": code_for(seed)})
    assert done.status_code == 200, done.content.decode()
    codes = re.findall(r"(?:[a-z2-7]{4}-){5}[a-z2-7]{4}", done.content.decode())
    return seed, codes


def seed_of(teammate: Teammate) -> str:
    from allauth.mfa.models import Authenticator

    return second_factor.open_seed(Authenticator.objects.get(user=teammate, type="totp").data["secret"])


def give_password(client: Client, teammate: Teammate, password: str = PASSWORD):
    return client.post("/sign-in", {"email": teammate.email.upper(), "password": password, "next": "/account/sessions"})


def tags(acme, **filters: str) -> list[str]:
    return [entry.tag for entry in list_entries(acme, EntryFilter(**filters)).entries]


def test_password_and_code_together_open_the_console(acme, asha) -> None:
    client = browser()
    with held(now() + timedelta(seconds=60)):
        assert give_password(client, asha).url == "/sign-in/code"
        answer = client.post("/sign-in/code", {"code": code_for(seed_of(asha))})
        assert answer.url == "/account/sessions"
        assert client.get("/account/sessions").status_code == 200
    for tag in ("sign_in:password", "sign_in:succeed", "session:list"):
        assert tags(acme, tag=tag, actor_id=str(asha.id))


def test_the_password_alone_opens_nothing(acme, asha) -> None:
    client = browser()
    give_password(client, asha)
    answer = client.get("/account/sessions")
    assert answer.status_code == 302
    assert answer.url.startswith("/sign-in")


def test_the_code_page_is_for_those_who_gave_a_password(asha) -> None:
    answer = browser().post("/sign-in/code", {"code": code_for(seed_of(asha), 1)})
    assert answer.url == "/sign-in"


def test_the_way_between_password_and_code_closes_after_five_minutes(asha) -> None:
    client = browser()
    give_password(client, asha)
    with held(in_future(minutes=5, seconds=1)):
        assert client.post("/sign-in/code", {"code": code_for(seed_of(asha))}).url == "/sign-in"


def test_a_code_opens_once(asha) -> None:
    with held(now() + timedelta(seconds=60)):
        code = code_for(seed_of(asha))
        for expected in (302, 422):
            client = browser()
            give_password(client, asha)
            assert client.post("/sign-in/code", {"code": code}).status_code == expected


def test_an_earlier_code_does_not_open_after_a_later_one(asha) -> None:
    with held(now() + timedelta(seconds=60)):
        seed = seed_of(asha)
        for code, expected in ((code_for(seed, 1), 302), (code_for(seed), 422)):
            client = browser()
            give_password(client, asha)
            assert client.post("/sign-in/code", {"code": code}).status_code == expected


def test_enrolling_ends_signed_in_with_a_factor_whose_code_is_used_up(acme) -> None:
    email = f"Asha.{acme.alias[-8:]}@Example.com"
    link = actions.invite_teammate(system("test"), acme.customer_id, email=email, name="Asha", permissions=[])
    client = browser()
    seed, codes = enrol(client, link.path)
    assert len(codes) == 10
    assert client.get("/account/sessions").status_code == 200
    asha = Teammate.objects.get(id=link.teammate_id)
    assert asha.email == email.casefold()
    assert seed == seed_of(asha)
    half_way = browser()
    give_password(half_way, asha)
    step = asha.totp_counter - int(now().timestamp()) // 30
    assert half_way.post("/sign-in/code", {"code": code_for(seed, step)}).status_code == 422
    for tag in ("enrolment:view", "password:change", "factor:enrol", "enrolment:complete", "sign_in:succeed"):
        assert tags(acme, tag=tag), tag


def test_a_recovery_code_opens_once_and_is_on_the_trail(acme, asha) -> None:
    codes = second_factor.replace_recovery_codes(asha)
    assert len(set(codes)) == 10
    for expected in (302, 422):
        client = browser()
        give_password(client, asha)
        assert client.post("/sign-in/code", {"code": codes[3].upper()}).status_code == expected
    assert tags(acme, tag="recovery_code:use") == ["recovery_code:use"]


def test_known_and_unknown_names_are_answered_alike(asha) -> None:
    known = give_password(browser(), asha, "not the password at all")
    email = f"nobody.{asha.email}"
    unknown = browser().post(
        "/sign-in", {"email": email, "password": "not the password at all", "next": "/account/sessions"}
    )
    assert known.status_code == unknown.status_code == 422
    assert _masked(known, asha.email.upper()) == _masked(unknown, email)


def test_every_name_costs_one_hash_and_one_only(acme, asha, password_digest, monkeypatch) -> None:
    """So that no clock tells who is there: hashing is nearly all of what a sign-in takes. Counted, because seconds on a
    busy machine say little."""
    worked: list[tuple[int, int, int]] = []

    def counting(work):
        def counted(self, *arguments):
            worked.append((self.time_cost, self.memory_cost, self.parallelism))
            return work(self, *arguments)

        return counted

    for method in ("encode", "verify"):
        monkeypatch.setattr(PepperedArgon2id, method, counting(getattr(PepperedArgon2id, method)))
    cost = (PepperedArgon2id.time_cost, PepperedArgon2id.memory_cost, PepperedArgon2id.parallelism)
    suspended, invited = hire(acme.customer_id, "Suspended"), hire(acme.customer_id, "Invited")
    Teammate.objects.filter(id=suspended.id).update(password=password_digest, suspended_at=now())
    Teammate.objects.filter(id=invited.id).update(password="", enrolled_at=None)
    tries = {
        "wrong": (asha.email, "not the password at all"), "right": (asha.email, PASSWORD),
        "nobody": ("nobody@example.com", "not the password at all"), "suspended": (suspended.email, PASSWORD),
        "invited": (invited.email, PASSWORD), "too long": (asha.email, "x" * 1000),
    }  # fmt: skip
    for email, password in tries.values():
        browser().post("/sign-in", {"email": email, "password": password})
    assert worked == [cost] * len(tries)


def test_a_failure_of_a_known_name_is_on_the_customers_trail(acme, asha) -> None:
    give_password(browser(), asha, "not the password at all")
    (entry,) = list_entries(acme, EntryFilter(tag="sign_in:fail")).entries
    assert entry.outcome == "refused"
    assert entry.object_id == str(asha.id)
    assert entry.details["reason"] == "wrong"


def test_a_failure_of_an_unknown_name_is_on_the_platform_log_without_the_name() -> None:
    browser().post("/sign-in", {"email": "ghost@example.com", "password": "not the password at all"})
    entry = list_platform_entries(EntryFilter(tag="sign_in:fail")).entries[0]
    assert entry.details["reason"] == "unknown"
    assert "ghost" not in str(entry)


def test_guessing_is_slowed_and_patience_helps(asha) -> None:
    client = browser()
    answers = [give_password(client, asha, "not the password at all").status_code for _ in range(12)]
    assert answers == [422] * 10 + [429] * 2
    slowed = give_password(client, asha)
    assert slowed.status_code == 429
    assert slowed["Retry-After"] == "300"
    with held(in_future(minutes=5, seconds=1)):
        assert give_password(client, asha).status_code == 302


def test_knowing_the_password_buys_no_more_guesses_at_the_code(asha) -> None:
    client = browser()
    statuses = []
    for _ in range(12):
        if give_password(client, asha).status_code == 429:
            statuses.append(429)
            continue
        statuses.append(client.post("/sign-in/code", {"code": "000000"}).status_code)
    assert statuses[-1] == 429
    assert statuses.count(422) <= 10


def test_an_attack_from_everywhere_does_not_lock_the_owner_out(asha) -> None:
    for n in range(120):
        SignInFailure.objects.create(account=_account(asha), address=bytes([n]) * 32)
    stranger = browser()
    stranger.defaults["REMOTE_ADDR"] = "203.0.113.9"
    assert give_password(stranger, asha).status_code == 429
    assert give_password(browser(), asha).status_code == 302, "she signed in from this address before"


def test_of_an_ipv6_address_it_is_the_subscribers_network_that_the_owner_is_known_by(asha) -> None:
    """Devices change the rest of it every day (RFC 8981)."""
    SessionRecord.objects.filter(teammate=asha).update(address="2001:db8:1:2:aaaa::1")
    for n in range(120):
        SignInFailure.objects.create(account=_account(asha), address=bytes([n]) * 32)
    for address, status in (("2001:db8:1:3::9", 429), ("2001:db8:1:2:bbbb::9", 302)):
        client = browser()
        client.defaults["REMOTE_ADDR"] = address
        assert give_password(client, asha).status_code == status


def test_a_suspended_teammate_cannot_sign_in_and_is_told_nothing_special(acme, asha) -> None:
    hire(acme.customer_id, "Ben")
    actions.suspend_teammate(system("test"), acme.customer_id, asha.id)
    right, wrong = give_password(browser(), asha), give_password(browser(), asha, "not the password at all")
    assert right.status_code == wrong.status_code == 422
    assert _masked(right, "") == _masked(wrong, "")


def test_whoever_is_suspended_between_password_and_code_stays_out(acme, asha) -> None:
    client, seed = browser(), seed_of(asha)
    hire(acme.customer_id, "Ben")
    assert give_password(client, asha).url == "/sign-in/code"
    actions.suspend_teammate(system("test"), acme.customer_id, asha.id)
    refused = client.post("/sign-in/code", {"code": code_for(seed)})
    assert refused.status_code == 422 and b"Sign in from the start." in refused.content
    assert client.get("/account/sessions").status_code == 302


@pytest.mark.parametrize(
    "onward",
    ["https://evil.test/", "//evil.test/", "/\\evil.test", "javascript:alert(1)", "evil", "\thttps://evil.test"],
)
def test_signing_in_leads_to_our_own_pages_only(onward: str) -> None:
    page = browser().get("/sign-in", {"next": onward}).content.decode()
    assert re.search(r'name="next" value="([^"]*)"', page)[1] == "/"


def test_the_session_key_changes_at_each_step_and_the_cookie_is_guarded(asha) -> None:
    client = browser()
    planted = client.session
    planted["planted"] = "by somebody else"
    planted.save()
    keys = [client.cookies["__Host-session"].value]
    with held(now() + timedelta(seconds=60)):
        give_password(client, asha)
        keys.append(client.cookies["__Host-session"].value)
        client.post("/sign-in/code", {"code": code_for(seed_of(asha))})
        keys.append(client.cookies["__Host-session"].value)
    assert len(set(keys)) == 3
    assert "planted" not in client.session
    cookie = client.cookies["__Host-session"]
    assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Lax"
    assert cookie["path"] == "/" and not cookie["domain"]


def test_the_database_holds_no_session_key_and_no_seed_in_clear(asha) -> None:
    from allauth.mfa.models import Authenticator
    from django.contrib.sessions.models import Session

    client = signed_in(asha)
    key = client.cookies["__Host-session"].value
    assert not Session.objects.filter(session_key=key).exists()
    stored = Authenticator.objects.get(user=asha, type="totp").data["secret"]
    assert seed_of(asha) not in stored
    assert make_password(PASSWORD).startswith("peppered_argon2id$argon2id$")


def test_signing_out_ends_the_session_for_good(asha) -> None:
    client = asha.browser
    stolen = browser()
    stolen.cookies["__Host-session"] = client.cookies["__Host-session"].value
    assert stolen.get("/account/sessions").status_code == 200
    assert client.post("/sign-out").url == "/sign-in"
    assert stolen.get("/account/sessions").status_code == 302


def test_a_session_ends_after_twelve_idle_hours_and_seven_days_in_any_case(asha) -> None:
    start = now()
    idle, busy = signed_in(asha), signed_in(asha)
    with held(start + timedelta(hours=12, minutes=1)):
        assert idle.get("/account/sessions").status_code == 302
    for hours in range(11, 24 * 7, 11):
        with held(start + timedelta(hours=hours)):
            assert busy.get("/account/sessions").status_code == 200
    with held(start + timedelta(days=7, minutes=1)):
        assert busy.get("/account/sessions").status_code == 302


def test_an_enrolment_link_works_once(acme, asha) -> None:
    link = actions.renew_enrolment(system("test"), acme.customer_id, asha.id)
    older = asha.browser
    assert older.get("/account/sessions").status_code == 200, "nothing changes until the link is used up"
    with held(now() + timedelta(seconds=90)):
        enrol(browser(), link.path)
    assert browser().get(link.path).status_code == 404
    assert older.get("/account/sessions").status_code == 302, "older sessions end with the older factors"


def test_an_enrolment_link_ends_after_three_days_and_with_a_newer_one(acme, asha) -> None:
    first = actions.renew_enrolment(system("test"), acme.customer_id, asha.id)
    second = actions.renew_enrolment(system("test"), acme.customer_id, asha.id)
    assert browser().get(first.path).status_code == 404
    with held(in_future(days=3, seconds=1)):
        assert browser().get(second.path).status_code == 404
    assert not Enrolment.objects.filter(token_digest=second.path.encode()).exists()


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short one", "at least 15"),
        ("x" * 257, "at most 256"),
        ("aaaaaaaaaaaaaaaaaaaa", "same few characters"),
        ("asha.example.com.asha", "too similar"),
        ("passwordpassword", "plain run"),
        ("1234567890qwerty", "plain run"),
        ("ZYXWVUTSRQPONMLK", "plain run"),
    ],
)
def test_poor_passwords_are_refused_with_a_reason(acme, password: str, told: str) -> None:
    link = actions.invite_teammate(
        system("test"),
        acme.customer_id,
        email=f"asha.example.{acme.alias[-6:]}@example.com",
        name="Asha",
        permissions=[],
    )
    answer = browser().post(link.path, {"password": password, "repeated": password})
    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_the_same_password_typed_on_another_keyboard_is_the_same(acme, asha) -> None:
    link = actions.renew_enrolment(system("test"), acme.customer_id, asha.id)
    client = browser()
    client.post(link.path, {"password": "ﬁve quiet otters caf\u00e9", "repeated": "ﬁve quiet otters caf\u00e9"})
    seed = actions.totp_seed(Enrolment.objects.get(teammate=asha, ended_at=None).id)
    client.post("/enrolment/authenticator", {"code": code_for(seed)})
    assert give_password(browser(), asha, "five quiet otters cafe\u0301").status_code == 302


def _account(teammate: Teammate) -> bytes:
    from misentinel.teammates.throttle import _keyed

    return _keyed("account", teammate.email)


def _masked(answer, email: str) -> tuple[str, dict[str, str]]:
    body = re.sub(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")[^"]+', r"\1…", answer.content.decode())
    body = body.replace(email, "…") if email else body
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
    headers["Content-Length"] = "…"
    return body, headers


def test_what_ended_is_forgotten_and_what_counts_is_kept(asha) -> None:
    with held(now() - timedelta(days=60)):
        old = signed_in(asha)
    give_password(browser(), asha, "not the password at all")
    forget_what_ended()
    assert SignInFailure.objects.count() == 1
    assert asha.browser.get("/account/sessions").status_code == 200
    assert old.get("/account/sessions").status_code == 302
    assert asha.session_records.count() == 1
    with held(in_future(minutes=6)):
        forget_what_ended()
    assert SignInFailure.objects.count() == 0


def test_a_link_of_somebody_suspended_opens_nothing_until_they_are_back(acme) -> None:
    link = actions.invite_teammate(
        system("test"), acme.customer_id, email=f"{uuid4().hex}@example.com", name="Ben", permissions=()
    )
    token = link.path.removeprefix("/enrol/")
    assert queries.find_enrolment(token) is not None
    Teammate.objects.filter(id=link.teammate_id).update(suspended_at=now())
    assert queries.find_enrolment(token) is None
    assert browser().get(link.path).status_code == 404
    Teammate.objects.filter(id=link.teammate_id).update(suspended_at=None)
    assert queries.find_enrolment(token) is not None
