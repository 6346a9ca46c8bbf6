"""A fresh proof before lasting harm, through the browser's eyes; and every way to do without one."""

from __future__ import annotations

import html
import re
import types
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from allauth.mfa.models import Authenticator
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, override_settings

from misentinel.kernel.actor import anonymous
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.errors import Misconfigured, NotSignedIn
from misentinel.site import urls
from misentinel.teammates import actions, second_factor
from misentinel.teammates.contracts import Permission, Proof
from misentinel.teammates.models import Credential, SessionRecord, SignInFailure, Teammate
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web import step_up
from misentinel.web.gate import Edge, Gate, Routes
from tests.cast import browser, code_for, hire, signed_in

LATER = timedelta(minutes=5, seconds=1)
KEY = {"name": "Shop “A” & <b>", "kind": "api_token", "lifetime": "30", "permissions": ["trail", "user-data"]}


@pytest.fixture(autouse=True)
def no_earlier_tries():
    SignInFailure.objects.all().delete()


@pytest.fixture
def asha(acme) -> Teammate:
    return hire(acme.customer_id, "Asha")


@pytest.fixture
def stale(asha):
    """Asha's browser, five minutes after she signed in."""
    client = signed_in(asha)
    with held(now() + LATER):
        yield client


@pytest.fixture
def planted():
    """A fresh route of the tests' own at /planted, beside the real ones."""
    routes = Routes(Edge.CONSOLE)
    common = {"needs": Permission.EXPORT, "tag": Tag.PAGE_VIEW, "name": "planted", "fresh": True}
    routes.get("planted", **common)(lambda gate: HttpResponse("exported"))
    routes.post("planted", **common)(echo)
    module = types.ModuleType("planted_urls")
    module.urlpatterns = [*routes.urlpatterns(), *urls.urlpatterns]
    with override_settings(ROOT_URLCONF=module):
        yield


def echo(gate: Gate) -> HttpResponse:
    fields = sorted((name, value) for name, values in gate.request.POST.lists() for value in values)
    return HttpResponse(" ".join(f"{name}={value}" for name, value in fields))


def code(teammate: Teammate, steps: int = 0) -> str:
    seed = Authenticator.objects.get(user=teammate, type="totp").data["secret"]
    return code_for(second_factor.open_seed(seed), steps)


def hidden(response) -> dict[str, list[str]]:
    """The hidden fields of the page's first form, as a browser would send them."""
    form = response.content.decode().split("<form", 2)[1]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form):
        found.setdefault(html.unescape(name), []).append(html.unescape(value))
    return found


def send(client: Client, url: str, fields: dict[str, object]) -> HttpResponse:
    body = urlencode(fields, doseq=True)
    return client.post(url, body, content_type="application/x-www-form-urlencoded")


def refusals(acme) -> list[str]:
    entries = list_entries(acme, EntryFilter(tag="access:refuse")).entries
    return [entry.details.get("why", "") for entry in entries]


def test_a_form_sent_too_late_asks_for_the_code_and_then_does_what_was_asked(acme, asha, stale) -> None:
    asked = send(stale, "/settings/keys", KEY)
    assert asked.status_code == 403
    assert b"Confirm it is you" in asked.content
    assert not Credential.objects.filter(customer_id=acme.customer_id).exists()
    assert refusals(acme) == ["stale_step_up"]
    done = send(stale, "/settings/keys", {**hidden(asked), "step-up-code": code(asha)})
    assert done.status_code == 200, done.content.decode()
    made = Credential.objects.get(customer_id=acme.customer_id)
    assert (made.name, made.permissions) == (KEY["name"], KEY["permissions"])
    tags = [entry.tag for entry in list_entries(acme, EntryFilter(actor_id=str(asha.id))).entries]
    assert {"step_up:succeed", "credential:create"} <= {*tags}


def test_a_proof_holds_for_five_minutes_and_not_a_second_longer(asha) -> None:
    client, start = signed_in(asha), now()
    for late, status in ((timedelta(minutes=4, seconds=55), 200), (LATER, 403)):
        with held(start + late):
            assert send(client, "/settings/keys", KEY).status_code == status


def test_a_page_that_needs_a_fresh_proof_leads_back_to_itself(acme, asha, stale, planted) -> None:
    asked = stale.get("/planted?year=2026")
    assert asked.status_code == 403
    assert hidden(asked)["next"] == ["/planted?year=2026"]
    done = send(stale, "/account/confirm", {**hidden(asked), "step-up-code": code(asha)})
    assert (done.status_code, done.url) == (302, "/planted?year=2026")
    assert stale.get(done.url).content == b"exported"


def test_the_confirmation_leads_nowhere_else(asha, stale) -> None:
    answer = send(stale, "/account/confirm", {"next": "https://evil.test/", "step-up-code": code(asha)})
    assert answer.url == "/"


def test_passwords_wait_in_the_session_and_never_in_the_page(asha, stale, planted) -> None:
    asked = send(stale, "/planted", {"password": "otters by the weir", "note": "kept"})
    assert b"otters" not in asked.content
    assert hidden(asked)["note"] == ["kept"]
    assert "otters" not in str(dict(stale.session.items()))
    wrong = send(stale, "/planted", {**hidden(asked), "step-up-code": "000000"})
    assert b"otters" not in wrong.content
    done = send(stale, "/planted", {**hidden(wrong), "step-up-code": code(asha)})
    assert done.content == b"note=kept password=otters by the weir"


def test_a_password_that_waited_too_long_is_asked_for_again(asha, stale, planted) -> None:
    asked = send(stale, "/planted", {"password": "otters by the weir", "note": "kept"})
    with held(now() + LATER):
        done = send(stale, "/planted", {**hidden(asked), "step-up-code": code(asha)})
    assert done.content == b"note=kept"


def test_what_waits_in_one_session_opens_in_no_other(acme, asha, stale, planted) -> None:
    other = signed_in(hire(acme.customer_id, "Ben"))
    asked = send(stale, "/planted", {"password": "otters by the weir"})
    session = other.session
    session["step_up"] = dict(stale.session["step_up"])
    session.save()
    answer = send(other, "/planted", hidden(asked))
    assert answer.status_code == 500
    assert b"otters" not in answer.content


def test_every_password_field_of_the_console_is_kept_out_of_pages() -> None:
    found = []
    forms_to_see = [*forms.Form.__subclasses__()]
    while forms_to_see:
        form = forms_to_see.pop()
        forms_to_see += form.__subclasses__()
        if form.__module__.startswith("misentinel."):
            fields = form.base_fields.items()
            found += [name for name, field in fields if isinstance(field.widget, forms.PasswordInput)]
    assert len(found) >= 3
    assert [name for name in found if not step_up.is_secret(name)] == []


def test_a_code_counts_once_here_as_at_sign_in(asha, stale) -> None:
    used = code(asha)
    assert send(stale, "/account/confirm", {"step-up-code": used}).status_code == 302
    again = signed_in(asha)
    SessionRecord.objects.filter(teammate=asha).update(proved_at=None)
    assert send(again, "/account/confirm", {"step-up-code": used}).status_code == 403


def test_a_recovery_code_does_not_count(asha, stale) -> None:
    codes = second_factor.replace_recovery_codes(asha)
    assert send(stale, "/settings/keys", {**KEY, "step-up-code": codes[0]}).status_code == 403
    assert second_factor.count_recovery_codes(asha.id) == 10


def test_a_proof_in_one_session_opens_nothing_in_another(asha, stale) -> None:
    second = signed_in(asha)
    SessionRecord.objects.filter(teammate=asha).update(proved_at=None)
    assert send(stale, "/account/confirm", {"step-up-code": code(asha)}).status_code == 302
    assert send(stale, "/settings/keys", KEY).status_code == 200
    assert send(second, "/settings/keys", KEY).status_code == 403


def test_nobody_proves_somebody_elses_session(acme, asha, stale) -> None:
    ben = hire(acme.customer_id, "Ben")
    session_id = SessionRecord.objects.get(teammate=asha).id
    with pytest.raises(NotSignedIn):
        actions.prove_again(anonymous("192.0.2.7"), ben.id, session_id, Proof("authenticator", code(ben)))
    assert send(stale, "/settings/keys", {**KEY, "step-up-code": code(ben, 1)}).status_code == 403


def test_the_session_key_changes_with_the_proof_and_the_old_one_is_dead(asha, stale) -> None:
    old = stale.cookies["__Host-session"].value if "__Host-session" in stale.cookies else stale.session.session_key
    thief = browser()
    thief.cookies["__Host-session"] = old
    assert thief.get("/account/sessions").status_code == 200
    send(stale, "/account/confirm", {"step-up-code": code(asha)})
    assert stale.cookies["__Host-session"].value != old
    assert stale.get("/account/sessions").status_code == 200
    assert thief.get("/account/sessions").status_code == 302


def test_a_copy_of_the_session_made_before_the_proof_opens_nothing_after_it(acme, asha, stale) -> None:
    """Two requests at the same moment may both have read the old session; only one comes out with the new turn."""
    copy = browser()
    session = copy.session
    session.update(dict(stale.session.items()))
    session.save()
    send(stale, "/account/confirm", {"step-up-code": code(asha)})
    assert copy.get("/account/sessions").status_code == 302
    assert "session_key_changed" in refusals(acme)


def test_guessing_is_throttled_like_signing_in(acme, asha, stale) -> None:
    statuses = [send(stale, "/settings/keys", {**KEY, "step-up-code": "000000"}) for _ in range(11)]
    assert [answer.status_code for answer in statuses] == [403] * 10 + [429]
    assert statuses[-1]["Retry-After"] == "300"
    assert send(stale, "/settings/keys", {**KEY, "step-up-code": code(asha)}).status_code == 429
    failed = list_entries(acme, EntryFilter(tag="step_up:fail")).entries
    assert {entry.details["reason"] for entry in failed} == {"wrong", "throttled"}


def test_the_view_never_sees_the_proof_nor_checks_it_twice(asha, planted) -> None:
    client = signed_in(asha)
    answer = send(client, "/planted", {"note": "kept", "step-up-code": "not even right", "step-up-way": "x"})
    assert answer.content == b"note=kept"


def test_an_unknown_way_to_prove_it_is_refused(asha, stale) -> None:
    answer = send(stale, "/account/confirm", {"step-up-code": code(asha), "step-up-way": "trust me"})
    assert answer.status_code == 403


def test_a_very_large_form_is_told_to_wait_and_a_file_is_refused(asha, stale) -> None:
    file = SimpleUploadedFile("people.csv", b"email")
    refused = stale.post(
        "/settings/keys", {**KEY, "file": file}, headers={"referer": "https://localhost/settings/keys"}
    )
    assert refused.status_code == 415
    answer = send(stale, "/settings/keys", {**KEY, "name": "x" * 300_000})
    assert answer.status_code == 403
    assert b"nothing was done yet" in answer.content
    assert len(answer.content) < 100_000


def test_whoever_may_not_do_it_is_not_even_asked(acme) -> None:
    ben = hire(acme.customer_id, "Ben", [Permission.USER_DATA])
    client = signed_in(ben)
    with held(now() + LATER):
        answer = send(client, "/settings/keys", {**KEY, "step-up-code": code(ben)})
    assert b"Confirm it is you" not in answer.content
    assert answer.status_code == 403
    assert SessionRecord.objects.get(teammate=ben).turn == 0


def test_a_session_proved_in_the_future_is_not_fresh(asha) -> None:
    client = signed_in(asha)
    SessionRecord.objects.filter(teammate=asha).update(proved_at=in_future(minutes=10))
    assert send(client, "/settings/keys", KEY).status_code == 403


@pytest.mark.parametrize(("edge", "needs"), [("api", "trail"), ("public", "public"), ("console", "public")])
def test_a_fresh_proof_cannot_be_asked_of_those_without_a_session(edge: str, needs: str) -> None:
    routes = Routes(Edge(edge))
    with pytest.raises(Misconfigured, match="fresh"):
        routes.get("x", needs=Permission(needs), tag=Tag.PAGE_VIEW, name="x", fresh=True)(lambda gate: None)
