"""A list of networks can shut out and never let in; nothing else looks at where a request comes from."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Misconfigured, Refused
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from misentinel.web.networks import parse_networks, require_not_denied
from tests.cast import browser, hire, start_session

SOURCES = Path(__file__).parents[2]
DENIED = "203.0.113.0/24, 2001:db8::/32 127.0.0.0/8"


def listing(networks: str):
    return override_settings(MISENTINEL=dataclasses.replace(settings.MISENTINEL, denied_networks=networks))


def test_the_list_denies_the_owner_too_and_changes_nothing_for_others(acme) -> None:
    owner, limited = hire(acme.customer_id, "Asha"), hire(acme.customer_id, "Ben", {Permission.TRAIL})
    token = actions.create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="All", permissions=GRANTABLE
    ).secret
    clients = {
        "owner": browser(start_session(owner)),
        "limited": browser(start_session(limited)),
        "token": browser(HTTP_AUTHORIZATION=f"Bearer {token}"),
        "anonymous": browser(),
    }
    addresses = ("127.0.0.1", "203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1", "192.0.2.7", "10.0.0.1", "::1")
    denied = set(addresses[:4])
    for name, client in clients.items():
        for path in ("/people", "/settings/keys", "/api/trail", "/sign-in", "/v1/batch"):
            plainly = client.get(path, REMOTE_ADDR="192.0.2.7").status_code
            for address in addresses:
                assert client.get(path, REMOTE_ADDR=address).status_code == plainly, (name, path, address)
                with listing(DENIED):
                    answer = client.get(path, REMOTE_ADDR=address)
                assert answer.status_code == (403 if address in denied else plainly), (name, path, address)


def test_who_was_shut_out_is_on_the_trail(acme) -> None:
    client = browser(start_session(hire(acme.customer_id, "Asha")))
    with listing(DENIED):
        answer = client.get("/people", REMOTE_ADDR="203.0.113.9")
    (entry,) = list_entries(acme, EntryFilter(request_id=answer["X-Request-Id"])).entries
    assert (entry.tag, entry.outcome, entry.address) == (Tag.ACCESS_REFUSE, "refused", "203.0.113.9")


def test_what_a_request_says_of_where_it_comes_from_is_not_heard() -> None:
    with listing(DENIED):
        for header in ("X_FORWARDED_FOR", "FORWARDED", "X_REAL_IP", "X_CLIENT_IP"):
            assert browser().get("/sign-in", **{f"HTTP_{header}": "203.0.113.9"}).status_code == 200
            answer = browser().get("/sign-in", REMOTE_ADDR="203.0.113.9", **{f"HTTP_{header}": "192.0.2.7"})
            assert answer.status_code == 403


def test_an_address_that_cannot_be_read_is_shut_out_where_anybody_is() -> None:
    require_not_denied("", "")
    with pytest.raises(Refused):
        require_not_denied("", DENIED)


@pytest.mark.parametrize("listed", ["example.com", "203.0.113.7/24", "203.0.113.0/33", "10.0.0.0/8; 1.2.3.4"])
def test_a_list_that_cannot_be_read_is_told(listed) -> None:
    with pytest.raises(Misconfigured, match="denied_networks"):
        parse_networks(listed)


def test_nothing_else_reads_where_a_request_comes_from() -> None:
    """One function reads the peer's address, and no code reads a header that speaks of another."""
    readers = {
        file.relative_to(SOURCES).as_posix()
        for file in SOURCES.rglob("*.py")
        if "tests" not in file.parts and re.search(r"REMOTE_ADDR|HTTP_X_FORWARDED|HTTP_FORWARDED", file.read_text())
    }
    assert readers == {"web/requests.py"}
    headers = re.compile(r"headers(\.get\(|\[)[\"'](X-)?(Forwarded|Real-IP|Client-IP)", re.IGNORECASE)
    assert [f for f in SOURCES.rglob("*.py") if "tests" not in f.parts and headers.search(f.read_text())] == []
