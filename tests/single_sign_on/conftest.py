"""Identity providers that others wrote, and one that lies; all over TLS on this machine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conftest import _customer
from misentinel.kernel import settings as kernel_settings
from misentinel.site.serving.authority import Certificate, ensure_certificate
from tests.single_sign_on.hostile import Hostile

NODE = Path(__file__).parents[1] / "strangers" / "node"
_NAMED = "MISENTINEL_OUTGOING_PRIVATE_HOSTS"
_TRUSTED = "MISENTINEL_OUTGOING_AUTHORITY"


@pytest.fixture(scope="package")
def certificate() -> Certificate:
    return ensure_certificate(kernel_settings.load())


@pytest.fixture(scope="package")
def oidc_provider(certificate) -> Iterator[dict[str, str]]:
    """npm oidc-provider: its issuer and our client's secret there."""
    if shutil.which("node") is None:
        pytest.skip("oidc-provider needs Node.js, which is not installed here (Debian: apt-get install nodejs npm)")
    secret = secrets.token_urlsafe(24)
    command = ["node", str(NODE / "oidc.mjs"), str(certificate.chain), str(certificate.key), secret]
    with running(command) as process:
        issuer = json.loads(process.stdout.readline())["issuer"]
        with reachable(issuer, certificate):
            yield {"issuer": issuer, "secret": secret}


@pytest.fixture(scope="package")
def hostile(certificate) -> Iterator[Hostile]:
    """A provider that answers what a test tells it to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile.handler())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = Hostile(f"https://localhost:{server.server_address[1]}")
    server.answers = found
    with reachable(found.issuer, certificate):
        yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="package")
def saml_keys(tmp_path_factory) -> tuple[Path, Path, str]:
    """The provider's certificate and key as files, and the certificate's text."""
    from misentinel.teammates.sso.saml import new_key_pair

    folder = tmp_path_factory.mktemp("saml")
    private, text = new_key_pair("id.acme.example.com")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_text(text)
    files[1].write_bytes(private)
    return *files, text


@pytest.fixture(scope="package")
def saml_provider(saml_keys) -> Iterator[Callable[[str, str, str], dict[str, str]]]:
    """npm samlify: takes our metadata, the query of our request and an address; gives what the browser would post."""
    if shutil.which("node") is None:
        pytest.skip("samlify needs Node.js, which is not installed here (Debian: apt-get install nodejs npm)")
    with running(["node", str(NODE / "saml.js"), str(saml_keys[0]), str(saml_keys[1])]) as process:

        def answer(metadata: str, query: str, email: str) -> dict[str, str]:
            process.stdin.write(json.dumps({"metadata": metadata, "query": query, "email": email}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield answer


@contextmanager
def reachable(url: str, certificate: Certificate) -> Iterator[None]:
    """As an operator names a provider on the premises: nothing of the guard is switched off."""
    before = os.environ.get(_NAMED, "")
    os.environ[_NAMED] = f"{before},{urlsplit(url).netloc}".strip(",")
    os.environ[_TRUSTED] = str(certificate.authority)
    yield
    os.environ[_NAMED] = before
    if not before:
        del os.environ[_NAMED], os.environ[_TRUSTED]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        command, cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


@pytest.fixture(scope="module")
def customers() -> Iterator[tuple]:
    made = [_customer("Acme"), _customer("Bolt")]
    yield tuple(next(customer) for customer in made)
    for customer in made:
        next(customer, None)


@pytest.fixture
def acme(customers):
    return customers[0]


@pytest.fixture
def bolt(customers):
    return customers[1]


@pytest.fixture(autouse=True)
def no_connections() -> Iterator[None]:
    """Domains belong to one connection, so each test starts without any."""
    from misentinel.teammates.models import Connection

    yield
    Connection.objects.all().delete()
