"""A password that somebody else knows: nothing opens until a new one is chosen. And changing one's own."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode

import pytest
from django.contrib.auth.hashers import make_password

from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, in_future
from misentinel.kernel.errors import Conflict, NotFound, NotSignedIn
from misentinel.teammates import actions, second_factor
from misentinel.teammates.contracts import Permission
from misentinel.teammates.models import NoticeRecord, SignInFailure, Teammate
from misentinel.teammates.passwords import loading
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, hire, signed_in

OLD, NEW = "seven quiet otters by the weir", "nine slow herons over the marsh"
SESSIONS, CHOOSE = "/account/sessions", "/sign-in/new-password"


@pytest.fixture(scope="module")
def digest() -> str:
    return make_password(OLD)


@pytest.fixture
def asha(acme, digest: str) -> Teammate:
    SignInFailure.objects.all().delete()
    teammate = hire(acme.customer_id, "Asha", [Permission.USER_DATA])
    teammate.password = digest
    teammate.save()
    return teammate


def enter(teammate: Teammate, password: str = OLD):
    """Signs in with the password and a recovery code. Returns the browser."""
    client = browser()
    assert client.post("/sign-in", {"email": teammate.email, "password": password}).url == "/sign-in/code"
    (code, *_) = second_factor.replace_recovery_codes(teammate)
    assert client.post("/sign-in/code", {"code": code}).status_code == 302
    return client


def test_a_marked_password_opens_nothing_until_a_new_one_is_chosen(acme, asha) -> None:
    before = signed_in(asha)
    actions.mark_compromised(system("test"), acme.customer_id, asha.id)
    assert before.get(SESSIONS).status_code == 302
    client = enter(asha)
    assert client.get(SESSIONS).url.startswith("/sign-in")
    assert client.get("/sign-in").url == CHOOSE
    assert client.get(CHOOSE).status_code == 200
    for poor in (OLD, "short", "passwordpassword"):
        assert client.post(CHOOSE, {"password": poor, "repeated": poor}).status_code == 422
    assert client.get(SESSIONS).status_code == 302
    assert client.post(CHOOSE, {"password": NEW, "repeated": NEW}).status_code == 302
    assert client.get(SESSIONS).status_code == 200
    assert client.post("/sign-out").status_code == 302
    assert browser().post("/sign-in", {"email": asha.email, "password": OLD}).status_code == 422
    told = list_entries(acme, EntryFilter(object_id=str(asha.id))).entries
    assert {"password:compromise", "password:change"} <= {entry.tag for entry in told}
    assert NoticeRecord.objects.filter(teammate=asha, kind="password_changed").exists()


def test_a_passkey_does_not_go_round_it(acme, asha) -> None:
    from tests.soft_passkey import Device

    device, client = Device(), signed_in(asha)
    options = client.post("/account/factors/passkey/options").json()
    assert client.post("/account/factors/passkey", {"answer": device.create(options)}).status_code == 302
    actions.mark_compromised(system("test"), acme.customer_id, asha.id)
    client = browser()
    options = client.post("/sign-in/passkey/options").json()
    assert client.post("/sign-in/passkey", {"answer": device.get(options)}).status_code == 302
    assert client.get(SESSIONS).status_code == 302


def test_a_list_loaded_later_is_evidence_at_the_next_sign_in(acme, asha, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MISENTINEL_HOME", str(tmp_path))
    (tmp_path / "list").write_text(hashlib.sha1(OLD.encode()).hexdigest())
    loading.load(tmp_path / "list", tmp_path)
    client = enter(asha)
    assert client.get(SESSIONS).status_code == 302
    assert client.get(CHOOSE).status_code == 200
    entry = list_entries(acme, EntryFilter(tag="password:compromise")).entries[0]
    assert entry.details["evidence"] == "breach_corpus"


def test_nobody_else_gets_to_choose_it(acme, asha) -> None:
    actions.mark_compromised(system("test"), acme.customer_id, asha.id)
    assert browser().post(CHOOSE, {"password": NEW, "repeated": NEW}).url == "/sign-in"
    half = browser()
    half.post("/sign-in", {"email": asha.email, "password": OLD})
    assert half.post(CHOOSE, {"password": NEW, "repeated": NEW}).url == "/sign-in", "the password alone"


def test_whoever_is_not_asked_cannot_use_the_way_without_the_current_password(asha) -> None:
    client = signed_in(asha)
    assert client.post(CHOOSE, {"password": NEW, "repeated": NEW}).url == "/sign-in"
    with pytest.raises(NotSignedIn):
        actions.replace_compromised_password(system("test"), asha.id, asha.session_records.get().id, NEW)


def test_an_administrator_marks_a_teammates_password_and_not_a_neighbours(acme, bolt, asha) -> None:
    owner, mallory = hire(acme.customer_id, "Owner"), hire(bolt.customer_id, "Mallory")
    url = f"/teammates/{asha.id}/password-compromised"
    assert signed_in(mallory).post(url).status_code == 404
    assert signed_in(owner).post(url).status_code == 302
    asha.refresh_from_db()
    assert asha.password_compromised_at is not None


def test_ones_own_password_needs_the_current_one_and_a_fresh_proof(acme, asha) -> None:
    client, other = signed_in(asha), signed_in(asha)
    wrong = {"current_password": "not my password at all", "password": NEW, "repeated": NEW}
    assert client.post("/account/password", wrong).status_code == 422
    assert client.post("/account/password", {**wrong, "current_password": OLD, "repeated": OLD}).status_code == 422
    assert client.post("/account/password", {**wrong, "current_password": OLD}).url == "/account/factors"
    assert other.get(SESSIONS).status_code == 302, "other sessions end"
    assert client.get(SESSIONS).status_code == 200
    with held(in_future(minutes=6)):
        stale = urlencode({**wrong, "current_password": NEW})
        answer = client.post("/account/password", stale, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 403
    assert NEW not in answer.content.decode()


def test_the_same_work_is_done_for_names_there_are_and_names_there_are_not(asha, monkeypatch) -> None:
    """One argon2id each: whoever times the answers learns nothing from the costly part."""
    from misentinel.teammates.passwords import hashing

    done: list[str] = []
    monkeypatch.setattr(hashing, "_peppered", lambda password: done.append("hash") or "x" * 88)
    told = {}
    for name, email in (("known", asha.email), ("unknown", f"nobody.{asha.email}")):
        done.clear()
        browser().post("/sign-in", {"email": email, "password": "not the password at all"})
        told[name] = list(done)
    assert told["known"] == told["unknown"] == ["hash"]


def test_nobody_marks_another_customers_teammate_or_one_without_a_password(acme, bolt, asha) -> None:
    before = signed_in(asha)
    with pytest.raises(NotFound):
        actions.mark_compromised(system("test"), bolt.customer_id, asha.id)
    ben = hire(acme.customer_id, "Ben")
    actions.mark_compromised(system("test"), acme.customer_id, ben.id)
    assert Teammate.objects.get(id=ben.id).password_compromised_at is not None
    assert before.get(SESSIONS).status_code == 200
    Teammate.objects.filter(id=asha.id).update(enrolled_at=None)
    with pytest.raises(Conflict, match="no password yet"):
        actions.mark_compromised(system("test"), acme.customer_id, asha.id)
