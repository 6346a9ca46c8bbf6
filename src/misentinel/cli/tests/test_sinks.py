"""Sinks at the command line: set, looked at, and put right after a refusal."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.customers.queries import get_customer
from misentinel.kernel import settings
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.site.serving.authority import ensure_certificate
from misentinel.trail.queries import log_of
from misentinel.trail.shipping.queries import get_sink
from misentinel.trail.shipping.running import ship
from misentinel.trail.shipping.tests.ground import tell
from misentinel.trail.shipping.tests.receivers import acknowledging, requests


@pytest.fixture(autouse=True)
def who(monkeypatch) -> None:
    monkeypatch.setattr(command, "_prepare", lambda: None)
    monkeypatch.setattr(command, "login", lambda: "olga")


def run(*arguments: str, told: str = "") -> str:
    done = CliRunner().invoke(cli, ["sink", *arguments], input=told)
    if done.exception is not None:
        raise done.exception
    return done.output


def test_a_sink_is_set_followed_and_put_right(acme, monkeypatch) -> None:
    certificate = ensure_certificate(settings.load())
    monkeypatch.setenv("MISENTINEL_OUTGOING_AUTHORITY", str(certificate.authority))
    of = ("--customer", get_customer(acme.customer_id).slug)
    tell(acme, 4)
    refused: list[int] = []

    def choosy(path: str, headers: dict[str, str], body: bytes):
        first = int(headers["x-misentinel-first"])
        if first <= 1 <= int(headers["x-misentinel-last"]) and len(refused) < 4:
            refused.append(first)
            return 400, b""
        return acknowledging(path, headers, body)

    with requests(certificate, choosy) as receiver:
        url = f"https://localhost:{receiver.port}/trail"
        added = run("add", "siem", "--kind", "ndjson", "--to", url, "--location", "IE", *of)
        key = re.search(r"^[A-Za-z0-9_-]{43}$", added, re.MULTILINE)[0]
        assert key not in run("list", *of), "shown once"
        ship(get_sink(acme.customer_id, "siem").id)
        assert re.search(r"siem.*ndjson.*IE.*withheld.*delivered", run("list", *of))
        assert "status 400" in run("dead-letters", "siem", *of)
        assert run("replay", "siem", "--dead-letters", *of) == "1 taken, 0 left.\n"
    assert "refused nothing" in run("dead-letters", "siem", *of)
    run("pause", "siem", *of)
    assert re.search(r"siem.*paused", run("list", *of))
    run("resume", "siem", *of)
    run("remove", "siem", "--yes", *of)
    assert "no sinks" in run("list", *of)


def test_a_token_is_read_from_a_file_or_standard_input_never_from_an_argument(acme) -> None:
    of = ("--customer", get_customer(acme.customer_id).slug)
    wanted = ("add", "r7", "--kind", "lines", "--to", "eu.data.logs.insight.rapid7.com:443", "--location", "IE", *of)
    with pytest.raises(Invalid):
        run(*wanted)
    run(*wanted, "--secret-file", "-", told="00112233-4455\n")
    assert not any("secret" in name and "file" not in name for name in option_names("add"))
    assert get_sink(log_of(acme).customer_id, "r7").plain_end
    with pytest.raises(Conflict):
        run(*wanted, "--secret-file", "-", told="00112233-4455\n")


def option_names(name: str) -> list[str]:
    return [option for parameter in cli.commands["sink"].commands[name].params for option in parameter.opts]


def test_wrong_uses_are_told_in_a_sentence(acme) -> None:
    of = ("--customer", get_customer(acme.customer_id).slug)
    with pytest.raises(NotFound):
        run("pause", "nowhere", *of)
    for both in ([], ["--from", "0", "--dead-letters"]):
        with pytest.raises(Invalid):
            run("replay", "nowhere", *both, *of)
