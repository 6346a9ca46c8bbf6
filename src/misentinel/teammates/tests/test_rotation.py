"""A key gets a new secret while programs run, and a key that only reads changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import override_settings

from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.errors import Conflict, Invalid, NotFound, Refused
from misentinel.kernel.ids import new_id
from misentinel.site import urls
from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.teammates.models import Credential
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web.gate import Edge, Gate, Routes
from tests.cast import browser, hire, signed_in

TRAIL = frozenset({Permission.TRAIL})
TEST = system("test")


@pytest.fixture
def token(acme):
    return actions.create_credential(
        TEST, acme.customer_id, CredentialKind.API_TOKEN, name="Nightly", permissions=TRAIL
    )


def status(secret: str) -> int:
    return browser(HTTP_AUTHORIZATION=f"Bearer {secret}").get("/api/trail").status_code


def test_both_secrets_work_until_the_overlap_is_over(acme, token) -> None:
    rotated = actions.rotate_credential(TEST, acme.customer_id, token.view.id)
    assert rotated.secret != token.secret
    assert (status(token.secret), status(rotated.secret)) == (200, 200)
    with held(now() + timedelta(hours=24)):
        assert (status(token.secret), status(rotated.secret)) == (401, 200)


def test_use_of_the_earlier_secret_is_told_apart(acme, token) -> None:
    actions.rotate_credential(TEST, acme.customer_id, token.view.id)
    assert queries.get_credential(acme.customer_id, token.view.id).earlier_used_at is None
    status(token.secret)
    assert queries.get_credential(acme.customer_id, token.view.id).earlier_used_at is not None


def test_the_earlier_secret_can_be_ended_at_once_and_the_new_one_goes_on(acme, token) -> None:
    rotated = actions.rotate_credential(TEST, acme.customer_id, token.view.id, overlap=timedelta(days=7))
    actions.end_overlap(TEST, acme.customer_id, token.view.id)
    assert (status(token.secret), status(rotated.secret)) == (401, 200)
    with pytest.raises(Conflict):
        actions.end_overlap(TEST, acme.customer_id, token.view.id)


def test_without_overlap_or_after_a_second_rotation_the_oldest_is_gone(acme, token) -> None:
    second = actions.rotate_credential(TEST, acme.customer_id, token.view.id)
    third = actions.rotate_credential(TEST, acme.customer_id, token.view.id)
    assert [status(one) for one in (token.secret, second.secret, third.secret)] == [401, 200, 200]
    fourth = actions.rotate_credential(TEST, acme.customer_id, token.view.id, overlap=timedelta())
    assert [status(one) for one in (second.secret, third.secret, fourth.secret)] == [401, 401, 200]


def test_revoking_ends_both_and_nothing_ended_is_rotated(acme, token) -> None:
    rotated = actions.rotate_credential(TEST, acme.customer_id, token.view.id)
    actions.revoke_credential(TEST, acme.customer_id, token.view.id)
    assert (status(token.secret), status(rotated.secret)) == (401, 401)
    with pytest.raises(Conflict):
        actions.rotate_credential(TEST, acme.customer_id, token.view.id)
    short = actions.create_credential(
        TEST, acme.customer_id, CredentialKind.API_TOKEN, name="Short", permissions=TRAIL, expires_at=in_future(hours=1)
    )
    with held(now() + timedelta(hours=2)), pytest.raises(Conflict):
        actions.rotate_credential(TEST, acme.customer_id, short.view.id)


@pytest.mark.parametrize("overlap", [timedelta(days=7, seconds=1), timedelta(seconds=-1)])
def test_the_overlap_has_its_limits(acme, token, overlap) -> None:
    with pytest.raises(Invalid):
        actions.rotate_credential(TEST, acme.customer_id, token.view.id, overlap=overlap)


def test_nobody_rotates_their_way_to_a_secret_that_may_do_more_than_they(acme, bolt, token) -> None:
    ben = hire(acme.customer_id, "Ben", {Permission.APPS_AND_API})
    actor = Actor(ActorKind.TEAMMATE, str(ben.id), "session", "", str(new_id()))
    with pytest.raises(Refused):
        actions.rotate_credential(actor, acme.customer_id, token.view.id)
    assert signed_in(ben).post(f"/settings/keys/{token.view.id}/rotate", {"overlap": "24"}).status_code == 403
    with pytest.raises(NotFound):
        actions.rotate_credential(TEST, bolt.customer_id, token.view.id)
    assert status(token.secret) == 200


def test_the_page_rotates_shows_the_secret_once_and_tells_the_trail(acme, token) -> None:
    client = signed_in(hire(acme.customer_id, "Asha"))
    page = client.post(f"/settings/keys/{token.view.id}/rotate", {"overlap": "168"}).content.decode()
    secret = page.partition('id="secret" value="')[2].partition('"')[0]
    assert (status(token.secret), status(secret)) == (200, 200)
    shown = client.get(f"/settings/keys/{token.view.id}").content.decode()
    assert "Earlier secret" in shown
    assert secret not in shown
    assert client.post(f"/settings/keys/{token.view.id}/end-overlap").status_code == 302
    assert status(token.secret) == 401
    assert client.post(f"/settings/keys/{token.view.id}/rotate", {"overlap": "9999"}).status_code == 422
    told = list_entries(acme, EntryFilter(object_id=str(token.view.id))).entries
    assert {Tag.CREDENTIAL_ROTATE, Tag.CREDENTIAL_REVOKE} <= {e.tag for e in told}
    assert not any(secret in str(e) for e in told)


def test_keys_are_coloured_by_how_soon_they_end(acme) -> None:
    for name, days in (("Later", 30), ("Soon", 6), ("Past", 1), ("Endless", None)):
        actions.create_credential(
            TEST, acme.customer_id, CredentialKind.WRITE_KEY, name=name,
            expires_at=in_future(days=days) if days else None,
        )  # fmt: skip
    client = signed_in(hire(acme.customer_id, "Asha"))
    with held(now() + timedelta(hours=1)):
        assert client.get("/settings/keys").content.decode().count("bg-orange-lt") == 2
    Credential.objects.filter(name="Past", customer_id=acme.customer_id).update(expires_at=now())
    page = client.get("/settings/keys").content.decode()
    assert [page.count(f'badge bg-{c}-lt">{w}') for c, w in (("red", "Expired"), ("orange", "Soon"))] == [1, 1]
    assert page.count('badge bg-yellow-lt">Never') == 1


routes = Routes(Edge.API)


@routes.get("api/thing", needs=Permission.TRAIL, tag=Tag.TRAIL_LIST, name="thing")
def look(gate: Gate) -> HttpResponse:
    return HttpResponse("looked")


@routes.post("api/thing", needs=Permission.TRAIL, tag=Tag.TRAIL_LIST, name="thing")
def change(gate: Gate) -> HttpResponse:
    return HttpResponse("changed")


urlpatterns = routes.urlpatterns()


@pytest.mark.parametrize(("read_only", "changed"), [(True, 403), (False, 200)])
@override_settings(ROOT_URLCONF=__name__)
def test_a_read_only_token_changes_nothing(acme, read_only, changed) -> None:
    made = actions.create_credential(
        TEST, acme.customer_id, CredentialKind.API_TOKEN, name="Eyes", permissions=TRAIL, read_only=read_only
    )
    client = browser(HTTP_AUTHORIZATION=f"Bearer {made.secret}")
    assert client.get("/api/thing").content == b"looked"
    assert client.head("/api/thing").status_code == 200
    answer = client.post("/api/thing")
    assert answer.status_code == changed
    if read_only:
        (entry,) = list_entries(acme, EntryFilter(request_id=answer["X-Request-Id"])).entries
        assert (entry.tag, entry.outcome) == (Tag.ACCESS_REFUSE, "refused")


def test_a_write_key_is_never_read_only(acme) -> None:
    with pytest.raises(Invalid):
        actions.create_credential(TEST, acme.customer_id, CredentialKind.WRITE_KEY, name="Odd", read_only=True)


def test_a_write_key_reads_nothing_anywhere(acme) -> None:
    """Every GET there is: the gate refuses it, or the route is open to everybody and shows nothing of a customer."""
    made = actions.create_credential(TEST, acme.customer_id, CredentialKind.WRITE_KEY, name="Shop")
    client = browser(HTTP_AUTHORIZATION=f"Bearer {made.secret}")
    reads = [d for d in urls.DECLARATIONS if d.method == "GET"]
    assert len(reads) > 30
    for declaration in reads:
        if declaration.needs is Permission.PUBLIC:
            continue
        url = "/" + declaration.path.replace("<uuid:", "<")
        while "<" in url:
            before, _, rest = url.partition("<")
            url = f"{before}{new_id()}{rest.partition('>')[2]}"
        answer = client.get(url)
        assert answer.status_code == (302 if declaration.edge is Edge.CONSOLE else 403), declaration
        assert declaration.edge is not Edge.CONSOLE or answer["Location"].startswith("/sign-in")
