"""What it costs that only the right person gets in: signing in under load, the gate on each request, a permission.

1. 200 whole sign-ins (page, password, code) by 50 browsers at once, over HTTPS against a whole installation as
   `misentinel run` starts it. The reference: as many bare argon2id verifications of the same strength, 50 at once.
2. A trivial page through the whole stack, with session, permission and trail entry, beside the same page in the same
   stack without the gate; asked for in turns, in this process, so that no network hides the difference.
3. Whose session it is and whether they may, with 1,000 roles of the customer's own beside one role.

Prints one line of JSON each: {metric, ours, reference, ratio, target}; `ratio` is oriented so that higher is better.
`python bench/gate.py gate roles` measures those alone.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPSConnection
from http.cookies import SimpleCookie
from io import BytesIO
from pathlib import Path
from types import ModuleType
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

import ground
import orjson
from argon2 import PasswordHasher, extract_parameters

from tests.live import free_ports, read_told, start_program, stop_program, without_settings

BROWSERS, SIGN_INS = 50, 200
PASSWORD = "seven quiet otters by the weir"
ROUNDS = 1500
ROLES = 1000
# Runs inside the installation: as many teammates as sign-ins, since a code is good once.
PREPARE = f"""
import json, sys
import django; django.setup()
from misentinel.site import wiring; wiring.connect()
from django.contrib.auth.hashers import make_password
from misentinel.customers.queries import get_customer
from misentinel.kernel.clock import now
from misentinel.teammates import second_factor
from misentinel.teammates.models import Teammate
customer, digest, told = get_customer(sys.argv[1]), make_password({PASSWORD!r}), []
for n in range({SIGN_INS}):
    teammate = Teammate.objects.create(
        customer_id=customer.id, email=f"reader-{{n}}@example.com", name="Reader", password=digest, enrolled_at=now())
    seed = second_factor.new_seed()
    second_factor.replace_authenticator(teammate, seed)
    told.append((teammate.email, seed))
print(json.dumps([told, digest]))
"""


def main() -> None:
    wanted = sys.argv[1:] or ["sign-in", "gate", "roles"]
    if "sign-in" in wanted:
        measure_signing_in()
    if {"gate", "roles"} & set(wanted):
        with ground.prepared(MISENTINEL_REQUEST_RATE="1000000"):
            if "gate" in wanted:
                measure_gate()
            if "roles" in wanted:
                measure_roles()


def measure_signing_in() -> None:
    https_port, http_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="ms-bench-", ignore_cleanup_errors=True) as folder:
        environment = {
            **without_settings(os.environ), "MISENTINEL_HOME": f"{folder}/home",
            "MISENTINEL_SIGN_IN_ATTEMPTS": "100000",
            "MISENTINEL_HTTPS_PORT": str(https_port), "MISENTINEL_HTTP_PORT": str(http_port),
            "DJANGO_SETTINGS_MODULE": "misentinel.site.settings",
        }  # fmt: skip
        process = start_program(environment)
        try:
            told = read_told(process)
            made = subprocess.run(
                [sys.executable, "-c", PREPARE, told["customer"]], env=environment, check=True, capture_output=True
            )
            people, kept = orjson.loads(made.stdout)
            context = ssl.create_default_context(cafile=told["authority"])
            took = at_once(lambda person: sign_in(context, https_port, *person), people)
        finally:
            stop_program(process)
    hasher = PasswordHasher.from_parameters(extract_parameters(kept[kept.index("$") :]))
    digest = hasher.hash(PASSWORD)
    bare = at_once(lambda _: verify_bare(hasher, digest), people)
    ground.report(
        f"seconds of a whole sign-in, p99 of {SIGN_INS} with {BROWSERS} at once; reference: bare argon2id, as many",
        ours=percentile(took, 99), reference=percentile(bare, 99), ratio=percentile(bare, 99) / percentile(took, 99),
        target=f"ratio >= 0.5; p50 {percentile(took, 50):.3f} s beside {percentile(bare, 50):.3f} s",
    )  # fmt: skip


def at_once(work: Callable[[object], float], items: list[object]) -> list[float]:
    with ThreadPoolExecutor(BROWSERS) as pool:
        return sorted(pool.map(work, items))


def sign_in(context: ssl.SSLContext, port: int, email: str, seed: str) -> float:
    """Returns how long it took, from opening the connection to being led to the console."""
    started = time.perf_counter()
    browser = Browser(context, port)
    page, _ = browser.ask("GET", "/sign-in")
    form = {"csrfmiddlewaretoken": token_in(page), "email": email, "password": PASSWORD}
    _, onward = browser.ask("POST", "/sign-in", form)
    page, _ = browser.ask("GET", onward)
    code = code_of(seed, int(time.time()) // 30)
    _, onward = browser.ask("POST", "/sign-in/code", {"csrfmiddlewaretoken": token_in(page), "code": code})
    assert onward == "/", onward
    return time.perf_counter() - started


class Browser:
    """One connection with its cookies."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._origin = f"https://localhost:{port}"
        self._connection = HTTPSConnection("localhost", port, context=context, timeout=120)
        self._cookies: SimpleCookie = SimpleCookie()

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[str, str]:
        """Returns the page and where it leads."""
        cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in self._cookies.items())
        headers = {"Cookie": cookies, "Referer": f"{self._origin}{path}", "Origin": self._origin}
        body = urlencode(form) if form else None
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        page = answer.read().decode()
        assert answer.status in {200, 302}, (method, path, answer.status, page[:2000])
        for header in answer.headers.get_all("Set-Cookie") or ():
            self._cookies.load(header)
        return page, answer.headers.get("Location", "")


def code_of(seed: str, step: int) -> str:
    """RFC 6238 as an authenticator app has it, so that the client needs nothing of ours."""
    digest = hmac.digest(base64.b32decode(seed), step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def token_in(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page[:500]
    return found[1]


def verify_bare(hasher: PasswordHasher, digest: str) -> float:
    started = time.perf_counter()
    hasher.verify(digest, PASSWORD)
    return time.perf_counter() - started


def measure_gate() -> None:
    ask_gated, ask_bare = application()
    ours, reference = by_turns(ask_gated, ask_bare)
    cost, cost_99 = percentile(ours, 50) - percentile(reference, 50), percentile(ours, 99) - percentile(reference, 99)
    ground.report(
        "milliseconds that the gate adds to a request (session, permission, trail entry), p50; reference: without it",
        ours=cost * 1e3, reference=percentile(reference, 50) * 1e3, ratio=1e-3 / cost,
        target=f"<= 1 ms at p50; p99 {cost_99 * 1e3:.2f} ms beside {percentile(reference, 99) * 1e3:.2f} ms",
    )  # fmt: skip


def application() -> tuple[Callable[[], None], Callable[[], None]]:
    """The program's own stack with two more pages: one behind the gate, one with nothing before it."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    from misentinel.site import urls
    from misentinel.teammates.contracts import Permission
    from misentinel.trail.contracts import Tag
    from misentinel.web.gate import Edge, Gate, Routes

    routes = Routes(Edge.CONSOLE)

    @routes.get("gated", needs=Permission.USER_DATA, tag=Tag.PERSON_LIST, name="gated")
    def gated(gate: Gate) -> HttpResponse:
        return HttpResponse("Hello")

    def bare(request: HttpRequest) -> HttpResponse:
        return HttpResponse("Hello")

    module = ModuleType("bench_urls")
    module.urlpatterns = [path("bare", bare), *routes.urlpatterns(), *urls.urlpatterns]
    for name in ("handler400", "handler404", "handler500"):
        setattr(module, name, getattr(urls, name))
    sys.modules["bench_urls"] = module
    settings.ROOT_URLCONF = "bench_urls"
    handler, cookie = WSGIHandler(), f"__Host-session={session_of(somebody())[0]}"

    def asking(url: str) -> Callable[[], None]:
        def ask() -> None:
            environ = {
                "REQUEST_METHOD": "GET", "PATH_INFO": url, "SERVER_NAME": "localhost", "SERVER_PORT": "443",
                "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "localhost",
                "HTTP_COOKIE": cookie, "wsgi.url_scheme": "https", "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr,
            }  # fmt: skip
            response = handler(environ, lambda status, headers: None)
            assert response.status_code == 200, response.status_code
            response.close()

        return ask

    return asking("/gated"), asking("/bare")


def measure_roles() -> None:
    from misentinel.teammates.contracts import GRANTABLE, Permission
    from misentinel.teammates.models import Role
    from misentinel.teammates.queries import principal_of_session
    from misentinel.teammates.rules import allowed

    teammate = somebody()
    customer = teammate.customer_id
    own = Role.objects.create(customer_id=customer, title="Role", permissions=sorted(GRANTABLE))
    type(teammate).objects.filter(id=teammate.id).update(role=own, permissions=[])
    session = session_of(teammate)[1]

    def check() -> None:
        assert allowed(principal_of_session(session), Permission.USER_DATA)

    alone, _ = by_turns(check, check)
    some = sorted(GRANTABLE)[:3]
    Role.objects.bulk_create(Role(customer_id=customer, title=f"Role {n}", permissions=some) for n in range(ROLES - 1))
    many, _ = by_turns(check, check)
    ground.report(
        f"milliseconds to find a session's principal and decide, p50, with {ROLES} roles; reference: with one role",
        ours=percentile(many, 50) * 1e3, reference=percentile(alone, 50) * 1e3,
        ratio=percentile(alone, 50) / percentile(many, 50),
        target=f"ratio >= 0.9; p99 {percentile(many, 99) * 1e3:.2f} ms beside {percentile(alone, 99) * 1e3:.2f} ms",
    )  # fmt: skip


def somebody():
    """A teammate of a new customer, with everything."""
    from misentinel.customers.actions import create_customer
    from misentinel.kernel.actor import system
    from tests.cast import hire

    return hire(create_customer(system("bench"), "Acme", slug=f"acme-{os.urandom(4).hex()}").id, "Asha")


def session_of(teammate):
    """Returns the key that the browser's cookie holds, and the session's id."""
    from tests.cast import browser, start_session

    session_id = start_session(teammate)
    return browser(session_id).cookies["__Host-session"].value, session_id


def by_turns(ours: Callable[[], None], reference: Callable[[], None]) -> tuple[list[float], list[float]]:
    """Seconds of each call, sorted. In turns, so that whatever else the machine does falls on both alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 100):
        for work, times in zip((ours, reference), took, strict=True):
            started = time.perf_counter()
            work()
            if number >= 100:
                times.append(time.perf_counter() - started)
    return sorted(took[0]), sorted(took[1])


def percentile(times: list[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)]


if __name__ == "__main__":
    main()
