"""What holds for every answer, whichever route gives it: what it says of itself, how it is confined, what it hides.

The answers are those of every route to a GET, as Asha and as nobody, with errors, refusals and static files among them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import get_finders
from django.http import HttpResponse
from django.test import Client

from conftest import _customer
from misentinel.kernel.actor import system
from misentinel.site import urls
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.teammates.models import Teammate
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_platform_entries
from misentinel.web.gate import Edge
from tests.cast import browser, hire, signed_in
from tests.permissions.test_matrix import fill, send

STATIC = ("/static/console/console.css", "/static/console/console.js", "/static/console/vendor/vendor.txt")
NOWHERE = ("/no-such-page", "/api/no-such-thing", "/static/no-such-file", "/v1/no-such-call")
# What a route may be asked for with GET: words of tags that look and do not change.
LOOKING = {"show", "view", "list", "preview", "report", "describe", "begin", "answer", "read", "prove", "export"}
TYPES = {".css", ".js", ".woff2", ".svg", ".png", ".ico", ".txt", ".webmanifest", ""}  # "" is a LICENSE


@pytest.fixture(scope="module")
def asha() -> Iterator[Teammate]:
    customer = _customer("Acme")
    yield hire(next(customer).customer_id, "Asha")
    next(customer, None)


@pytest.fixture(scope="module")
def answers(asha: Teammate) -> dict[str, HttpResponse]:
    found = {}
    for who, client in (("asha", signed_in(asha)), ("nobody", browser())):
        for declaration in urls.DECLARATIONS:
            if declaration.method == "GET":
                url = fill(declaration.path)
                found[f"GET {url} as {who}"] = send(client, "GET", url)
        for url in (*STATIC, *NOWHERE):
            found[f"GET {url} as {who}"] = client.get(url)
        found[f"PUT /people as {who}"] = send(client, "PUT", "/people")
    forging = Client(enforce_csrf_checks=True, headers={"host": "localhost"}, **{"wsgi.url_scheme": "https"})
    found["a forged form"] = forging.post("/sign-in", "email=a", content_type="application/x-www-form-urlencoded")
    found["too many fields"] = browser().post("/sign-in", {f"f{n}": "" for n in range(2000)})
    assert {200, 302, 400, 401, 403, 404, 405} <= {answer.status_code for answer in found.values()}
    return found


def test_every_answer_says_what_it_is_and_in_which_characters(answers: dict[str, HttpResponse]):
    for asked, answer in answers.items():
        if not answer.streaming and not answer.content:
            continue
        kind = answer["Content-Type"]
        text = kind.startswith(("text/", "application/xml")) and "javascript" not in kind
        assert not text or "charset=" in kind.lower(), (asked, kind)
        if kind.startswith("text/html"):
            assert re.match(rb"\s*<", answer.content), asked
        elif "json" in kind:
            assert answer.content[:1] in b"{[", asked  # no script, so no JSONP either
        else:
            assert asked.startswith(("GET /static/", "GET /.well-known/", "GET /robots.txt")), (asked, kind)


def test_every_answer_carries_the_headers_that_confine_it(answers: dict[str, HttpResponse]):
    for asked, answer in answers.items():
        policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'", asked  # object-src falls back to it
        assert policy["base-uri"] == "'none'", asked
        assert policy["frame-ancestors"] in {"'none'", "'self'"}, asked
        assert "'unsafe-" not in policy.get("script-src", ""), asked
        assert answer["X-Content-Type-Options"] == "nosniff", asked
        assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}, asked
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin", asked
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", asked
        if not (asked.startswith("GET /static/console/") and answer.status_code == 200):
            assert "no-store" in answer["Cache-Control"], asked


def test_no_answer_lets_another_origin_read_it(asha: Teammate):
    client = signed_in(asha)
    for declaration in urls.DECLARATIONS:
        for method in ("GET", "OPTIONS"):
            answer = client.generic(
                method, fill(declaration.path), secure=True,
                headers={"origin": "https://elsewhere.example.com", "access-control-request-method": "POST"},
            )  # fmt: skip
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")], declaration


def test_no_answer_names_software_or_version(answers: dict[str, HttpResponse]):
    for asked, answer in answers.items():
        assert not {"Server", "X-Powered-By", "Via"} & set(answer.headers), asked
        if not asked.startswith("GET /static/"):
            told = answer.content.decode().lower()
            assert not re.search(r"\b(django|gunicorn|postgresql|python)[/ ]\d", told), asked


def test_every_cookie_is_small_and_bound_to_this_host(asha: Teammate):
    client = signed_in(asha)
    client.get("/people")
    answer = client.post("/sign-in", {"email": asha.email, "password": "not the one that it is"})
    cookies = {**client.get("/sign-in").cookies, **answer.cookies, **client.cookies}
    assert {"__Host-session", "__Host-csrf"} <= set(cookies)
    for name, cookie in {**answer.cookies, **client.get("/people").cookies}.items():
        assert name.startswith("__Host-")
        assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] in {"Lax", "Strict"}, name
        assert cookie["path"] == "/" and not cookie["domain"], name
        assert len(name) + len(cookie.value) < 1024, name


def test_signing_out_clears_what_the_browser_kept(asha: Teammate):
    client = signed_in(asha)
    answer = client.post("/sign-out")
    assert answer["Clear-Site-Data"] == '"cache"'
    assert client.get("/people").status_code == 302


def test_every_page_of_a_teammate_offers_to_sign_out(asha: Teammate):
    client, looked_at = signed_in(asha), 0
    for declaration in urls.DECLARATIONS:
        if declaration.edge is Edge.CONSOLE and declaration.method == "GET":
            page = client.get(fill(declaration.path)).content.decode()
            if 'class="navbar' in page:
                looked_at += 1
                assert 'action="/sign-out"' in page, declaration.path
    assert looked_at > 10


def test_no_get_route_changes_anything():
    declared = {d.tag.value.partition(":")[2] for d in urls.DECLARATIONS if d.method == "GET"}
    assert declared <= LOOKING


def test_nothing_of_the_source_or_of_folders_is_served(answers: dict[str, HttpResponse]):
    client = browser()
    hidden = (
        ".git/config", ".git/HEAD", ".env", "Makefile", "pyproject.toml", "requirements/base.txt", "src",
        "static/", "static/console/", "static/console", "static/../pyproject.toml", "static/%2e%2e/pyproject.toml",
        "static/..%2f..%2fgate.py", "static//etc/passwd", "static/console/..\\..\\gate.py", "backup.zip", "index.php",
    )  # fmt: skip
    for path in hidden:
        assert client.get(f"/{path}").status_code == 404, path
    assert answers["GET /static/console/console.css as nobody"].status_code == 200


def test_every_static_file_has_a_type_that_is_meant_to_be_served():
    files = [Path(path) for finder in get_finders() for path, _ in finder.list([])]
    assert len(files) > 20
    assert {file.suffix for file in files} <= TYPES, sorted({file.suffix for file in files} - TYPES)
    assert [file for file in files if not file.suffix and file.name != "LICENSE"] == []


def test_no_route_takes_a_file(asha: Teammate, tmp_path: Path):
    """Where a browser sends one nevertheless, it is neither kept nor handed to a view."""
    paths = {fill(d.path) for d in urls.DECLARATIONS if d.method == "POST" and d.edge is not Edge.API}
    assert len(paths) > 20
    client, before = signed_in(asha), {*Path(tempfile.gettempdir()).glob("*.upload*")}
    for size in (10, 2_200_000):
        file = tmp_path / f"{size}.bin"
        file.write_bytes(b"x" * size)
        for path in paths if size == 10 else ["/sign-in"]:
            with file.open("rb") as handle:
                answer = client.post(path, {"email": "zoe@example.com", "avatar": handle})
            # A public view that looks at no form never has one read, so there is nothing to refuse but the file.
            assert answer.status_code in {415, 302, 400, 404}, (path, answer.status_code)
            assert "_files" not in vars(answer.wsgi_request), path
    assert {*Path(tempfile.gettempdir()).glob("*.upload*")} == before


def test_who_sends_a_body_beyond_every_limit_is_cut_off(asha: Teammate):
    """By what the request says of its length, before the body is read; the same for nobody in particular."""
    forms = {"application/x-www-form-urlencoded": 413, "multipart/form-data; boundary=b": 415}
    for client in (signed_in(asha), browser()):
        for kind, status in forms.items():
            answer = client.generic("POST", "/sign-in", b"x" * 2_600_000, content_type=kind, secure=True)
            assert answer.status_code == status, kind
        for headers, status in (({}, 401), ({"authorization": f"Bearer {_key(asha)}"}, 413)):
            answer = client.generic("POST", "/v1/batch", b"x" * 600_000, headers=headers, secure=True)
            assert answer.status_code == status


def test_nothing_in_a_header_changes_the_address_that_counts(asha: Teammate):
    names = ("x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip")
    answer = browser().post(
        "/sign-in", {"email": asha.email, "password": "not the one that it is"},
        headers={**dict.fromkeys(names, "198.51.100.9"), "x-request-id": "mine"},
    )  # fmt: skip
    entries = list_platform_entries(EntryFilter(request_id=answer["X-Request-Id"])).entries
    assert entries and {entry.address for entry in entries} == {"192.0.2.7"}


def test_a_parameter_given_twice_or_in_the_wrong_place_changes_nothing(asha: Teammate):
    """The last of two counts, a query never stands in for a form, and a form never for a query."""
    client = signed_in(asha)
    before = client.get("/settings").content
    assert client.post("/settings?name=Other&time_zone=UTC", {}).status_code == 422
    assert client.get("/settings").content.count(b"Other") == before.count(b"Other")
    answer = client.get("/trail?outcome=done&outcome=no-such-outcome")
    assert answer.status_code == 422 or b"no-such-outcome" not in answer.content
    token = _key(asha, CredentialKind.API_TOKEN, Permission.USER_DATA)
    answer = browser(HTTP_AUTHORIZATION=f"Bearer {token}").get("/api/people?limit=1&limit=100000")
    assert answer.status_code == 422


def _key(asha: Teammate, kind: CredentialKind = CredentialKind.WRITE_KEY, *permissions: Permission) -> str:
    return create_credential(system("test"), asha.customer_id, kind, name="x", permissions=permissions).secret
