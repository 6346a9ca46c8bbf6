"""What strangers look for at fixed places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from misentinel.kernel.clock import now


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "evil.example.com"})


def test_security_txt_names_the_contact_and_ends_within_a_year(client: Client, monkeypatch) -> None:
    monkeypatch.setenv("MISENTINEL_SECURITY_CONTACT", "security@example.com, https://example.com/report")
    monkeypatch.setenv("MISENTINEL_PUBLIC_URL", "https://mail.example.com")
    answer = client.get("/.well-known/security.txt", secure=True)
    lines = [line.split(": ", 1) for line in answer.content.decode().splitlines()]
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert [value for name, value in lines if name == "Contact"] == [
        "mailto:security@example.com", "https://example.com/report",
    ]  # fmt: skip
    fields = dict(lines)
    assert fields["Canonical"] == "https://mail.example.com/.well-known/security.txt", "never from the Host header"
    expires = datetime.strptime(fields["Expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert now() + timedelta(days=30) < expires < now() + timedelta(days=365)


def test_without_a_contact_there_is_no_such_file(client: Client) -> None:
    assert client.get("/.well-known/security.txt", secure=True).status_code == 404


def test_a_password_manager_is_led_to_the_page_where_a_password_is_changed(client: Client) -> None:
    answer = client.get("/.well-known/change-password", secure=True)
    assert (answer.status_code, answer["Location"]) == (302, "/account/password")
    absent = client.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200", secure=True)
    assert absent.status_code == 404, "by which they tell whether the answer means anything"


def test_nothing_is_for_search_engines(client: Client) -> None:
    answer = client.get("/robots.txt", secure=True)
    assert answer.content == b"User-agent: *\nDisallow: /\n"
