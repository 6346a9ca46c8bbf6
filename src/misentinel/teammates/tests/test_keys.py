"""Keys for programs: shown once, held to their scope, gone when they end."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.errors import Conflict, NotFound, Refused
from misentinel.kernel.ids import new_id
from misentinel.teammates import actions, queries
from misentinel.teammates.contracts import ANONYMOUS, CredentialKind, Permission
from misentinel.teammates.key_form import is_well_spelt
from misentinel.teammates.models import Credential
from misentinel.web.identity import secret_of
from tests.cast import browser, hire, signed_in

TRAIL = frozenset({Permission.TRAIL})


@pytest.fixture
def token(acme):
    return actions.create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="Nightly", permissions=TRAIL
    )


def status(secret: str) -> int:
    return browser(HTTP_AUTHORIZATION=f"Bearer {secret}").get("/api/trail").status_code


def test_a_token_opens_what_it_holds_until_it_is_revoked(acme, token) -> None:
    assert status(token.secret) == 200
    actions.revoke_credential(system("test"), acme.customer_id, token.view.id)
    assert status(token.secret) == 401
    with pytest.raises(Conflict):
        actions.revoke_credential(system("test"), acme.customer_id, token.view.id)


def test_a_token_ends_when_it_expires(acme) -> None:
    made = actions.create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="Short", permissions=TRAIL,
        expires_at=in_future(hours=1),
    )  # fmt: skip
    assert status(made.secret) == 200
    with held(now() + timedelta(hours=1)):
        assert status(made.secret) == 401


def test_the_secret_is_nowhere_in_the_database(token) -> None:
    row = Credential.objects.get(id=token.view.id)
    assert token.secret not in str(row.__dict__)
    assert token.secret.startswith("mst_")
    assert is_well_spelt(token.secret)
    assert queries.principal_of_secret(row.hint) == ANONYMOUS
    assert queries.principal_of_secret(bytes(row.digest).hex()) == ANONYMOUS


def test_the_page_shows_the_secret_once(acme) -> None:
    client = signed_in(hire(acme.customer_id, "Asha"))
    made = client.post("/settings/keys", {"name": "Shop", "kind": "write_key", "lifetime": "90"}).content.decode()
    secret = made.partition('id="secret" value="')[2].partition('"')[0]
    assert secret.startswith("msw_")
    page = client.get("/settings/keys").content.decode()
    assert "Shop" in page
    assert secret not in page


def test_a_write_key_reads_nothing_even_if_its_row_is_tampered_with(acme) -> None:
    made = actions.create_credential(system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name="Shop")
    assert status(made.secret) == 403
    with pytest.raises(IntegrityError), transaction.atomic():
        Credential.objects.filter(id=made.view.id).update(permissions=["trail", "write-events"])


def test_nobody_makes_a_token_that_may_do_more_than_they(acme) -> None:
    ben = hire(acme.customer_id, "Ben", {Permission.APP_SETTINGS})
    actor = Actor(ActorKind.TEAMMATE, str(ben.id), "session", "", str(new_id()))
    with pytest.raises(Refused):
        actions.create_credential(
            actor, acme.customer_id, CredentialKind.API_TOKEN, name="Up", permissions={Permission.EXPORT}
        )
    form = {"name": "Up", "kind": "api_token", "lifetime": "", "permissions": ["export"]}
    assert signed_in(ben).post("/settings/keys", form).status_code == 403
    assert not Credential.objects.filter(customer_id=acme.customer_id, name="Up").exists()


def test_another_customers_key_cannot_be_revoked(bolt, token) -> None:
    with pytest.raises(NotFound):
        actions.revoke_credential(system("test"), bolt.customer_id, token.view.id)
    assert status(token.secret) == 200


def test_use_is_noted(acme, token) -> None:
    assert token.view.last_used_at is None
    status(token.secret)
    (view,) = queries.list_credentials(acme.customer_id)
    assert view.last_used_at is not None
    assert view.last_used_from == "192.0.2.0/24"  # a network: whose machine it was is nobody's business


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic " + base64.b64encode(b"abc:").decode(), "abc"),
        ("Basic " + base64.b64encode(b"abc").decode(), "abc"),
        ("Basic !!!", ""),
        ("Basic " + base64.b64encode(b"\xff:").decode(), ""),
        ("Digest abc", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_a_key_is_read_from_the_header_that_programs_send(header: str, secret: str) -> None:
    assert secret_of(header) == secret


def test_a_key_is_read_by_its_own_id_and_by_its_own_customer(acme, bolt) -> None:
    made = [
        actions.create_credential(system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name=name).view
        for name in ("Shop", "App")
    ]
    for view in made:
        assert queries.get_credential(acme.customer_id, view.id) == view
        with pytest.raises(NotFound):
            queries.get_credential(bolt.customer_id, view.id)
    assert queries.list_credentials(bolt.customer_id) == []
