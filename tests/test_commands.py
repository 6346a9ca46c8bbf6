"""Every command of the command line: it leaves an entry, and tells an error in one sentence.

A new command needs a line in `ARGUMENTS`; without, the walk fails.
"""

from __future__ import annotations

import os
import pwd
import uuid
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.customers.queries import get_customer
from misentinel.kernel.actor import OPERATOR_ID, system
from misentinel.kernel.clock import in_future
from misentinel.kernel.errors import Invalid, MiSentinelError
from misentinel.store.contracts import Store
from misentinel.teammates import actions as teammates
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.actions import seal
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries, list_platform_entries, log_of
from tests.cast import hire, join_staff, ship_somewhere

ARGUMENTS: dict[str, list[str]] = {
    "customer create": ["Walked Ltd", "--slug", "{new}"],
    "customer list": ["--closed"],
    "customer show": ["{acme}"],
    "customer rotate-key": ["{acme}"],
    "customer close": ["{acme}", "--yes"],
    "sso list": ["--customer", "{acme}"],
    "sso off": ["--customer", "{acme}"],
    "stores migrate": [],
    "operator invite": ["{email}", "--name", "Olga"],
    "operator link": ["{olga}"],
    "operator list": [],
    "operator suspend": ["{olga}"],
    "operator reinstate": ["{otto}"],
    "teammate invite": ["{email}", "--customer", "{acme}", "--owner"],
    "teammate link": ["{ben}", "--customer", "{acme}"],
    "teammate list": ["--customer", "{acme}"],
    "teammate permit": ["{ben}", "--customer", "{acme}", "--permission", "trail"],
    "teammate grant": ["{ben}", "export", "--customer", "{acme}", "--hours", "1", "--reason", "one file"],
    "teammate ungrant": ["{granted}", "export", "--customer", "{acme}"],
    "role list": ["--customer", "{acme}"],
    "role show": ["support", "--customer", "{acme}"],
    "role create": ["{new}", "--customer", "{acme}", "--permission", "trail"],
    "role edit": ["{role}", "--customer", "{acme}", "--about", "Nights"],
    "role delete": ["{role}", "--customer", "{acme}"],
    "teammate suspend": ["{ben}", "--customer", "{acme}"],
    "teammate reinstate": ["{gone}", "--customer", "{acme}"],
    "key create": ["Shop", "--customer", "{acme}", "--write"],
    "key list": ["--customer", "{acme}"],
    "key rotate": ["{key}", "--customer", "{acme}", "--overlap", "1"],
    "key signing": ["{key}", "--customer", "{acme}"],
    "key revoke": ["{key}", "--customer", "{acme}"],
    "passwords load": ["{list}"],
    "passwords status": [],
    "passwords compromised": ["{ben}", "--customer", "{acme}"],
    "sink add": ["{new}", "--kind=syslog", "--to=logs.example.com:6514", "--location=GB", "--customer", "{acme}"],
    "sink list": ["--customer", "{acme}"],
    "sink pause": ["{sink}", "--customer", "{acme}"],
    "sink resume": ["{sink}", "--customer", "{acme}"],
    "sink replay": ["{sink}", "--from", "0", "--customer", "{acme}"],
    "sink dead-letters": ["{sink}", "--customer", "{acme}"],
    "sink remove": ["{sink}", "--customer", "{acme}", "--yes"],
    "trail list": ["--customer", "{acme}", "--limit", "5"],
    "trail tail": ["--customer", "{acme}", "--no-follow"],
    "trail who-saw": ["{entry}", "--customer", "{acme}", "--from", "2026-03-01", "--to", "2026-03-31"],
    "trail show": ["{entry}", "--customer", "{acme}"],
    "trail keys": ["--customer", "{acme}"],
    "trail mirror": ["{folder}", "--customer", "{acme}"],
    "trail query": ["SELECT count(*) FROM entries", "--customer", "{acme}"],
    "archive write": ["--customer", "{acme}"],
    "archive list": ["--customer", "{acme}"],
    "archive verify": ["--customer", "{acme}"],
    "archive restore": ["--customer", "{acme}"],
    "archive terms": ["--customer", "{acme}", "--hot-days", "30"],
    "archive hold": ["--customer", "{acme}", "--reason", "Case 7"],
    "archive release": ["--customer", "{acme}", "--reason", "Case 7 closed"],
    "archive prune": ["--customer", "{acme}"],
    "archive remove": ["--customer", "{acme}", "--yes"],
    "trail prove": ["{sealed}", "--customer", "{acme}", "--output", "{folder}.tlog-proof"],
}
LOGIN = command.login
ELSEWHERE = {
    "run",  # starts the whole service; the tests of serving watch it
    "trail verify",  # reads files alone, with no installation that could tell of it
    "archive check",  # the same
}


def _walk(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, found in sorted(group.commands.items()):
        if isinstance(found, click.Group):
            yield from _walk(found, f"{path}{name} ")
        elif path + name not in ELSEWHERE:
            yield path + name, found


@pytest.fixture(autouse=True)
def who(monkeypatch: pytest.MonkeyPatch) -> str:
    """The login of this test alone."""
    name = f"op-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(command, "_prepare", lambda: None)
    monkeypatch.setattr(command, "login", lambda: name)
    return name


def _run(*arguments: str) -> tuple[str, BaseException | None]:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=True)
    return done.output, done.exception


def test_every_command_has_its_arguments_here() -> None:
    assert {name for name, _ in _walk(cli)} == set(ARGUMENTS)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_a_command_leaves_an_entry_that_names_who_ran_it(
    name: str, acme: Store, who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = get_customer(acme.customer_id).slug
    entry = str(list_platform_entries(EntryFilter(object_id=str(acme.customer_id))).entries[0].id)
    sealed = str(list_entries(acme).entries[-1].id)
    seal(log_of(acme))
    new = f"walked-{uuid.uuid4().hex[:8]}"
    ben, gone = hire(acme.customer_id, "Ben", [Permission.TRAIL]), hire(acme.customer_id, "Gone", [Permission.TRAIL])
    teammates.suspend_teammate(system("test"), acme.customer_id, gone.id)
    key = teammates.create_credential(system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name="Old")
    cleo = hire(acme.customer_id, "Cleo", [])
    teammates.grant_permission(
        system("test"), acme.customer_id, cleo.id, Permission.EXPORT, until=in_future(hours=1), reason="one file"
    )
    role = teammates.create_role(system("test"), acme.customer_id, title="Nights", permissions=[])
    listed = tmp_path / "list"
    listed.write_text("8846F7EAEE8FB117AD06BDD830B7586C:3")
    monkeypatch.setenv(
        "MISENTINEL_HOME", str(tmp_path) if name.startswith("passwords") else os.environ["MISENTINEL_HOME"]
    )
    olga, otto = join_staff("Olga"), join_staff("Otto")
    teammates.suspend_teammate(system("test"), OPERATOR_ID, otto.id)
    given = {
        "list": str(listed),
        "olga": olga.email, "otto": otto.email,
        "granted": cleo.email, "role": role.id,
        "sealed": sealed, "folder": str(tmp_path / "log"),
        "acme": slug, "new": new, "entry": entry, "ben": ben.email, "gone": gone.email, "key": str(key.view.id),
        "email": f"{new}@example.com", "sink": ship_somewhere(acme),
    }  # fmt: skip
    arguments = [a.format(**given) for a in ARGUMENTS[name]]
    told, error = _run(*name.split(), *arguments)
    assert error is None, told
    entries = list_platform_entries(EntryFilter(actor_kind="operator", actor_id=who)).entries
    assert [e.tag for e in entries] == [_tag(name)]
    if name == "customer create":
        _run("customer", "close", new, "--yes")


def _tag(name: str) -> str:
    found = dict(_walk(cli))[name]
    tag: str = found.callback.tag.value
    return tag


@pytest.mark.parametrize(
    "arguments",
    [
        ["customer", "show", "nobody"],
        ["customer", "close", "nobody", "--yes"],
        ["customer", "create", "Bad", "--slug", "Not A Slug"],
        ["customer", "create", "Bad", "--time-zone", "Mars/Olympus"],
        ["customer", "create", "Bad", "--cluster", "atlantis"],
        ["trail", "list", "--customer", "nobody"],
        ["trail", "list", "--person", "not-an-id"],
        ["trail", "show", "not-an-id", "--customer", "nobody"],
    ],
)
def test_a_wrong_use_is_one_sentence_and_an_entry(arguments: list[str], who: str) -> None:
    _, error = _run(*arguments)
    assert isinstance(error, MiSentinelError)
    assert error.exit_code != 0
    assert "\n" not in error.message
    (entry,) = list_platform_entries(EntryFilter(actor_kind="operator", actor_id=who)).entries
    assert entry.outcome == "failed"


def test_closing_asks_first_and_no_answer_is_a_no(acme: Store) -> None:
    slug = get_customer(acme.customer_id).slug
    told, _ = _run("customer", "close", slug)
    assert "cannot be undone" in told
    assert get_customer(slug).closed_at is None


def test_what_the_operator_is_shown_of_an_entry_stays_sealed(acme: Store) -> None:
    from misentinel.kernel.actor import system
    from misentinel.trail.actions import record
    from misentinel.trail.contracts import Tag

    with acme.atomic():
        entry = record(acme, system("test"), Tag.PERSON_EDIT, before={"name": "Zebedee"}, after={"name": "Zachary"})
    told, error = _run("trail", "show", str(entry), "--customer", get_customer(acme.customer_id).slug)
    assert error is None
    assert "Zebedee" not in told
    assert "Zachary" not in told


def test_a_name_with_brackets_is_shown_as_it_is() -> None:
    slug = f"odd-{uuid.uuid4().hex[:8]}"
    for arguments in (["create", "Acme [/] [red]", "--slug", slug], ["list"], ["show", slug]):
        told, error = _run("customer", *arguments)
        assert error is None, error
        assert "Acme [/] [red]" in told
    _run("customer", "close", slug, "--yes")


def test_an_argument_that_is_not_text_is_told_in_one_sentence() -> None:
    told, error = _run("customer", "show", os.fsdecode(b"caf\xe9"))
    assert isinstance(error, Invalid), told


def test_nobody_acts_under_anothers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(variable, "mallory")
    assert LOGIN() == own
    daemon = pwd.getpwnam("daemon")
    monkeypatch.setenv("SUDO_UID", str(daemon.pw_uid))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert LOGIN() == "daemon"  # root is believed, as sudo is
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert LOGIN() == "uid 54321"  # nobody's, as in some containers; and what the environment says counts for nothing


def test_a_command_that_fails_unforeseen_leaves_an_entry_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from misentinel.customers import queries
    from misentinel.trail.contracts import Outcome

    def break_down(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(queries, "list_customers", break_down)
    _, error = _run("customer", "list")
    assert isinstance(error, ZeroDivisionError)
    latest = list_platform_entries(EntryFilter(tag="customer:list"), limit=1).entries[0]
    assert (latest.outcome, latest.details["error"]) == (Outcome.FAILED, "internal")
