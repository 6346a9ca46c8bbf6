"""What goes wrong is told in a sentence: no internals, nothing of what was sent; and no file leads outside."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from misentinel.site import urls
from tests.cast import hire, signed_in

INTERNALS = ("Traceback", "misentinel.", "site-packages", "SELECT ", "psycopg", "django", "DoesNotExist", "/src/")
SECRET = "rosa.lopez@example.com"


def asked(url: str, method: str = "GET", client: Client | None = None) -> tuple[int, str]:
    client = client or Client(headers={"host": "localhost"}, raise_request_exception=False)
    answer = client.generic(method, url, b"{", content_type="application/json", secure=True)
    return answer.status_code, answer.content.decode()


@pytest.mark.parametrize(
    "url", [f"/no-such-page/{SECRET}", f"/api/none/{SECRET}", f"/static/{SECRET}", f"/v1/{SECRET}"]
)
def test_a_page_that_is_not_there_repeats_nothing(url: str) -> None:
    status, text = asked(url)
    assert status == 404
    assert not [word for word in (*INTERNALS, SECRET) if word in text]


@pytest.mark.parametrize("url", ["/v1/track", "/v1/batch", "/v1/identify"])
def test_what_cannot_be_read_is_refused_without_internals(url: str) -> None:
    status, text = asked(url, "POST")
    assert status in {400, 401}
    assert not [word for word in INTERNALS if word in text]
    assert json.loads(text)["status"] == status


def test_an_error_nobody_foresaw_shows_only_its_request_id(acme, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"SELECT of {SECRET} failed in misentinel.people")

    monkeypatch.setattr("misentinel.web.identity.principal_of_session", fail)
    answer = Client(headers={"host": "localhost"}, raise_request_exception=False).get("/people", secure=True)
    text = answer.content.decode()
    assert answer.status_code == 500
    assert not [word for word in (*INTERNALS, SECRET) if word in text]
    assert answer["X-Request-Id"] in text


@pytest.mark.parametrize(
    "url",
    ["/static/../pyproject.toml", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2fetc%2fpasswd", "/static/",
     "/static/console/", "/static//etc/passwd", "/media/", "/.env", "/.git/config"],
)  # fmt: skip
def test_no_address_of_a_file_leads_outside_or_lists_a_folder(acme, url: str) -> None:
    for client in (None, signed_in(hire(acme.customer_id, "Asha"))):
        status, text = asked(url, client=client)
        assert status in {302, 404}
        assert "root:" not in text
        assert "[project]" not in text


def test_no_route_takes_a_url_to_call_somebody_with() -> None:
    """There are no webhooks yet. Whoever adds them writes the tests of their side channels."""
    assert not [declaration.path for declaration in urls.DECLARATIONS if "hook" in declaration.path]
