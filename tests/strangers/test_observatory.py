"""MDN's HTTP Observatory grades the running program A+, and a server without our headers far below."""

from __future__ import annotations

import functools
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from misentinel.kernel import settings
from misentinel.site.serving.authority import ensure_certificate
from tests.live import Live

pytestmark = pytest.mark.audit
HERE = Path(__file__).parent / "observatory"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """As its lock file says, without the scripts of packages: those would fetch the lists that browsers preload; with
    empty ones no site is taken for a preloaded one.
    """
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(command, cwd=HERE, check=True, timeout=300)
    for name in ("hsts-preload.json", "tld-list.json"):
        (HERE / "node_modules/@mdn/mdn-http-observatory/conf" / name).write_text("{}")


def graded(https_port: int, http_port: int, authority: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["node", "scan.mjs", str(https_port), str(http_port)], cwd=HERE, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(authority)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_grades_the_program_a_plus(live: Live) -> None:
    result = graded(live.port, live.http_port, live.authority)
    failed = {name: test["result"] for name, test in result["tests"].items() if not test["pass"]}
    assert (result["scan"]["grade"], failed) == ("A+", {})
    assert result["scan"]["testsPassed"] == result["scan"]["testsQuantity"] == 10
    assert result["scan"]["score"] >= 125


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[int]:
    """A server of files over TLS, with none of our headers."""
    (tmp_path / "index.html").write_text("<!doctype html><title>x</title>")
    certificate = ensure_certificate(settings.load())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_it_would_tell_of_a_server_that_sends_none_of_our_headers(live: Live, careless: int) -> None:
    authority = settings.load().home / "tls" / "authority.pem"
    result = graded(careless, live.http_port, authority)
    assert result["scan"]["grade"] not in {"A+", "A", "B"}
    assert result["tests"]["content-security-policy"]["pass"] is False
