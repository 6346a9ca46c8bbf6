"""`misentinel teammate` and `misentinel key`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.kernel.errors import NotFound, Refused
from misentinel.teammates import queries
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from tests.cast import browser, hire


@pytest.fixture(autouse=True)
def prepared():
    command.use_preparation(lambda: None)


def run(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_first_owner_is_invited_with_a_link_that_works(acme) -> None:
    email = f"asha.{acme.alias[-8:]}@example.com"
    output = run("teammate", "invite", email, "--customer", acme.customer_id, "--owner")
    path = next(line for line in output.splitlines() if "/enrol/" in line).partition("/enrol/")[2]
    assert browser().get(f"/enrol/{path.strip()}").status_code == 200
    (asha,) = queries.list_teammates(acme.customer_id)
    assert asha.permissions == GRANTABLE
    assert "invited" in run("teammate", "list", "--customer", acme.customer_id)


def test_permissions_are_set_and_withdrawn(acme) -> None:
    ben = hire(acme.customer_id, "Ben", [])
    run("teammate", "permit", ben.email, "--customer", acme.customer_id, "--permission", "trail")
    assert queries.get_teammate(acme.customer_id, ben.id).permissions == {Permission.TRAIL}
    run("teammate", "suspend", ben.email, "--customer", acme.customer_id)
    assert queries.get_teammate(acme.customer_id, ben.id).suspended_at is not None
    run("teammate", "reinstate", ben.email, "--customer", acme.customer_id)
    assert "/enrol/" in run("teammate", "link", ben.email, "--customer", acme.customer_id)
    tags = {e.tag for e in list_entries(acme, EntryFilter(actor_kind="operator")).entries}
    assert {"teammate:permit", "teammate:suspend", "teammate:reinstate", "teammate:invite"} <= tags


def test_the_last_administrator_is_kept_from_the_operator_too(acme) -> None:
    asha = hire(acme.customer_id, "Asha")
    with pytest.raises(Refused):
        run("teammate", "suspend", asha.email, "--customer", acme.customer_id)


def test_a_teammate_of_another_customer_is_not_found(acme, bolt) -> None:
    mallory = hire(bolt.customer_id, "Mallory")
    with pytest.raises(NotFound):
        run("teammate", "suspend", mallory.email, "--customer", acme.customer_id)


def test_keys_are_made_listed_and_revoked(acme) -> None:
    secret = run("key", "create", "Shop", "--customer", acme.customer_id, "--write").splitlines()[0]
    assert secret.startswith("msw_")
    (key,) = queries.list_credentials(acme.customer_id)
    assert key.kind is CredentialKind.WRITE_KEY
    assert secret not in run("key", "list", "--customer", acme.customer_id)
    run("key", "revoke", key.id, "--customer", acme.customer_id)
    assert not queries.principal_of_secret(secret).usable
