"""schemathesis against our OpenAPI as two customers: it finds nothing, and it does find a hole that was planted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import _customer
from misentinel.kernel.actor import system
from misentinel.messages.tests.people import come_in, identify
from misentinel.store.contracts import Store
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from tests.strangers.conftest import Served, serving

pytestmark = pytest.mark.audit
ROOT = Path(__file__).parents[2]
CHECKS = (
    "not_a_server_error", "ignored_auth", "object_level_authorization", "content_type_conformance",
    "response_schema_conformance", "status_code_conformance",
)  # fmt: skip
READING = [Permission.USER_DATA, Permission.TRAIL]


@pytest.fixture(scope="module")
def keys() -> Iterator[dict[str, str]]:
    """A token that reads everything, for each of two customers that have a few people each."""
    made = [_customer(name) for name in ("Acme", "Bolt")]
    yield {name: _token(next(customer), name) for name, customer in zip(("acme", "bolt"), made, strict=True)}
    for customer in made:
        next(customer, None)


def _token(store: Store, name: str) -> str:
    come_in(store, *(identify(f"{name}-{number}", city="York") for number in range(3)))
    made = create_credential(
        system("test"), store.customer_id, CredentialKind.API_TOKEN, name="Scan", permissions=READING
    )
    return made.secret


def scan(served: Served, keys: dict[str, str], folder: Path, seconds: int = 40) -> subprocess.CompletedProcess[str]:
    entries = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {secret}"}]}
        for name, secret in keys.items()
    ]
    (folder / "auth.json").write_text(json.dumps({"auth": entries}))
    config = folder / "schemathesis.toml"
    config.write_text(f'[auth.wfc]\npath = "{folder / "auth.json"}"\npeers = {json.dumps(list(keys))}\n')
    return subprocess.run(
        [
            ROOT / ".venv-tools/bin/schemathesis", "--config-file", config, "run", f"{served.url}/api/openapi.json",
            "--url", served.url, "--tls-verify", served.authority, "--checks", ",".join(CHECKS), "--seed", "1",
            "--max-examples", "40", "--max-time", str(seconds), "--suppress-health-check", "all",
        ],
        capture_output=True, text=True, timeout=seconds + 120, check=False, cwd=folder,
    )  # fmt: skip


def test_it_finds_nothing(keys: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path / "log", MISENTINEL_REQUEST_RATE="100000") as served:
        done = scan(served, keys, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "object_level_authorization" not in done.stdout + done.stderr, "it says so when it could not run"


@pytest.mark.parametrize(("hole", "told"), [("neighbours", "owns"), ("open", "uthenti")])
def test_it_does_find_a_planted_hole(hole: str, told: str, keys: dict[str, str], tmp_path: Path) -> None:
    environment = {
        "PLANTED": hole,
        "PLANTED_KEY": keys["acme"],
        "PYTHONPATH": str(ROOT),
        "MISENTINEL_REQUEST_RATE": "100000",
    }
    with serving(tmp_path / "log", "tests.strangers.planted:application", **environment) as served:
        done = scan(served, keys, tmp_path)
    assert done.returncode == 1, done.stdout
    assert told in done.stdout, done.stdout
