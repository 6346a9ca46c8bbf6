"""The trail in the terminal: what comes is told once, Ctrl-C ends it well, and who saw a person is told with proofs."""

from __future__ import annotations

import time

import orjson
import pytest
from click.testing import CliRunner

from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.customers.queries import get_customer
from misentinel.kernel.actor import Actor, ActorKind, system
from misentinel.kernel.clock import now
from misentinel.kernel.ids import new_id
from misentinel.teammates.actions import operator_access
from misentinel.trail.actions import record, seal
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries, log_of, verifier_keys
from tests.cast import hire, join_staff, let_in


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_prepare", lambda: None)


def _run(acme, *arguments: str):
    return CliRunner().invoke(cli, ["trail", *arguments, "--customer", get_customer(acme.customer_id).slug])


def _made(acme, tag: Tag = Tag.SEGMENT_CREATE, **told):
    with acme.atomic():
        return record(acme, system("test"), tag, **told)


def _told(output: str) -> list[str]:
    return [orjson.loads(line)["id"] for line in output.splitlines()]


def test_it_begins_with_the_newest_tells_each_that_comes_once_and_ends_at_ctrl_c(acme, monkeypatch) -> None:
    made = [_made(acme) for _ in range(3)]
    seal(log_of(acme))
    made.append(_made(acme))  # not sealed when it begins: following brings it

    def while_it_waits(seconds: float) -> None:
        assert seconds == 1.0
        if len(made) == 6:
            raise KeyboardInterrupt
        seal(log_of(acme))
        made.append(_made(acme))
        _made(acme, Tag.SEGMENT_EDIT)

    monkeypatch.setattr(time, "sleep", while_it_waits)
    done = _run(acme, "tail", "--tag", "segment:create", "--lines", "3", "--json")
    assert done.exit_code == 0 and done.exception is None
    assert _told(done.output) == [str(entry) for entry in made[1:5]]  # the last is not sealed yet
    (look,) = list_entries(acme, EntryFilter(tag="trail:list")).entries
    assert look.details["follow"] is True


def test_without_following_it_is_a_list_that_ends(acme) -> None:
    _made(acme)
    seal(log_of(acme))
    done = _run(acme, "tail", "--no-follow", "--tag", "segment:", "--lines", "5")
    assert done.exception is None and done.output.count("segment:create") == 1


def test_it_ends_with_the_access_that_opened_it(acme, monkeypatch) -> None:
    asha, olga = hire(acme.customer_id, "Asha"), join_staff("Olga")
    access = let_in(olga, asha)
    seal(log_of(acme))

    def while_it_waits(seconds: float) -> None:
        operator_access.end_access(Actor(ActorKind.TEAMMATE, str(asha.id)), acme.customer_id, access)
        _made(acme)
        seal(log_of(acme))

    monkeypatch.setattr(time, "sleep", while_it_waits)
    done = _run(acme, "tail", "--tag", "segment:create", "--grant", str(access))
    assert type(done.exception).__name__ == "Refused" and "segment:create" not in done.output


def test_who_saw_a_person_is_told_and_each_look_is_proved(acme, tmp_path) -> None:
    zoe, asha = new_id(), Actor(ActorKind.TEAMMATE, str(new_id()))
    with acme.atomic():
        looks = [record(acme, asha, Tag.PERSON_VIEW, person_id=zoe) for _ in range(2)]
    seal(log_of(acme))
    today = f"{now():%Y-%m-%d}"
    asked = ["who-saw", str(zoe), "--from", today, "--to", today]
    done = _run(acme, *asked, "--proofs", str(tmp_path))
    assert done.exception is None and asha.id in done.output and "2 proofs" in done.output
    assert {path.stem for path in tmp_path.glob("*.tlog-proof")} == {str(look) for look in looks}
    (key,) = verifier_keys(log_of(acme))
    for look in looks:
        checked = CliRunner().invoke(cli, ["trail", "verify", str(tmp_path / f"{look}.tlog-proof"), "--key", str(key)])
        assert checked.exception is None and str(zoe) in checked.output
    assert orjson.loads(_run(acme, *asked, "--json").stdout)["looks"] == 2
    assert "Nobody was shown" in _run(acme, "who-saw", str(new_id()), "--from", today, "--to", today).output
    assert _run(acme, "who-saw", str(zoe), "--from", "2026-03-02", "--to", "2026-03-01").exception is not None
