"""The command line is no back door: once a customer has an administrator, its operator needs what the customer gave."""

from __future__ import annotations

import uuid
from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.customers.queries import get_customer
from misentinel.kernel import clock
from misentinel.kernel.actor import OPERATOR_ID, Actor, operator, system
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, Refused
from misentinel.teammates import actions
from misentinel.teammates.actions import operator_access
from misentinel.teammates.actions.command_line import require_free_hand
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Access, Teammate
from misentinel.teammates.queries import list_credentials, list_present, list_teammates
from misentinel.trail.actions import seal
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries, log_of
from misentinel.trail.shipping.queries import list_sinks
from tests.cast import hire, join_staff, let_in, ship_somewhere

HANDING_OUT = [
    ["teammate", "invite", "new@example.com", "--owner"],
    ["teammate", "link", "{ben}"],
    ["teammate", "permit", "{ben}", "--permission", "trail", "--permission", "teammates"],
    ["teammate", "grant", "{ben}", "export", "--hours", "1", "--reason", "one file"],
    ["teammate", "reinstate", "{gone}"],
    ["role", "create", "Nights", "--permission", "trail"],
    ["role", "edit", "{role}", "--permission", "trail"],
    ["role", "delete", "{role}"],
    ["key", "create", "Shop", "--write"],
    ["key", "create", "All", "--permission", "user-data"],
    ["key", "rotate", "{key}"],
    ["key", "signing", "{key}"],
    ["sink", "add", "elsewhere", "--kind", "syslog", "--to", "logs.example.com:6514", "--location", "GB"],
    ["sink", "resume", "{sink}"],
    ["sink", "replay", "{sink}", "--from", "0"],
]
TAKING_AWAY = [
    ["passwords", "compromised", "{ben}"],
    ["teammate", "suspend", "{ben}"],
    ["teammate", "ungrant", "{ben}", "export"],
    ["key", "revoke", "{key}"],
    ["sink", "pause", "{sink}"],
    ["sink", "remove", "{sink}", "--yes"],
]
HARMLESS = {
    "role list", "role show", "sso list",  # names of roles and connections, no person's and no secret
    "trail keys",  # public keys
    # locks, moves and counts objects without opening one; nothing goes before its time, and all of it is on the trail
    "archive write", "archive list", "archive restore", "archive terms", "archive hold", "archive release",
    "archive prune", "archive remove",
    "sso off",  # lets passwords back in beside the second factor, on the trail; whoever has none gains nothing
}  # fmt: skip
LOOKING = [
    ["teammate", "list"], ["key", "list"], ["trail", "list"], ["trail", "show", "{entry}"],
    ["archive", "verify"],
    ["trail", "query", "SELECT 1"],
    ["trail", "tail", "--no-follow"],
    ["trail", "who-saw", "{entry}", "--from", "2026-03-01", "--to", "2026-03-31"],
    ["trail", "mirror", "{folder}"], ["trail", "prove", "{entry}", "--output", "{folder}.tlog-proof"],
    ["sink", "list"], ["sink", "dead-letters", "{sink}"],
]  # fmt: skip


@pytest.fixture(autouse=True)
def who(monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"op-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(command, "_prepare", lambda: None)
    monkeypatch.setattr(command, "login", lambda: name)
    return name


@pytest.fixture
def given(acme, tmp_path) -> dict[str, str]:
    """Ben, who may hardly do anything, Gone, who is suspended, a role and a key: at Acme, and a sealed entry."""
    seal(log_of(acme))
    ben, gone = hire(acme.customer_id, "Ben", [Permission.TRAIL]), hire(acme.customer_id, "Gone", [])
    actions.suspend_teammate(system("test"), acme.customer_id, gone.id)
    until = clock.in_future(hours=1)
    actions.grant_permission(
        system("test"), acme.customer_id, ben.id, Permission.EXPORT, until=until, reason="one file"
    )
    return {
        "ben": ben.email, "gone": gone.email, "slug": get_customer(acme.customer_id).slug,
        "role": actions.create_role(system("test"), acme.customer_id, title="Days", permissions=[]).id,
        "key": str(actions.create_credential(
            system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name="Old").view.id),
        "entry": str(list_entries(acme).entries[-1].id), "folder": str(tmp_path / "log"),
        "sink": ship_somewhere(acme),
    }  # fmt: skip


def run(given: dict[str, str], arguments: list[str], grant: object = None) -> BaseException | None:
    whole = [*(a.format(**given) for a in arguments), "--customer", given["slug"]]
    done = CliRunner().invoke(cli, whole + (["--grant", str(grant)] if grant else []))
    assert done.exception is None or isinstance(done.exception, Refused), (whole, done.output, done.exception)
    if done.exception is not None:
        assert "@example.com" not in done.output
    return done.exception


def state(acme) -> tuple[object, ...]:
    people = [(t.email, t.permissions, t.suspended_at) for t in list_teammates(acme.customer_id)]
    sinks = [(s.name, s.paused, s.next_index) for s in list_sinks(acme.customer_id)]
    return people, [(k.name, k.revoked_at) for k in list_credentials(acme.customer_id)], sinks


def by(teammate: Teammate) -> Actor:
    return Actor(teammate.actor_kind, str(teammate.id))


def test_with_an_administrator_nothing_is_handed_out_taken_away_or_shown_and_the_trail_tells(acme, given, who) -> None:
    hire(acme.customer_id, "Asha")
    before = state(acme)
    commands = HANDING_OUT + TAKING_AWAY + LOOKING
    for arguments in commands:
        assert run(given, arguments) is not None, arguments
    assert state(acme) == before
    tries = list_entries(acme, EntryFilter(actor_id=who)).entries
    assert {(e.actor_kind, e.outcome) for e in tries} == {("operator", "refused")}
    assert len(tries) == len(commands)


def test_every_command_about_a_customer_is_in_one_of_the_lists() -> None:
    """A new one belongs there, and is then tried with and without an administrator."""
    listed = {" ".join(arguments[:2]) for arguments in HANDING_OUT + TAKING_AWAY + LOOKING} | HARMLESS
    assert {
        f"{group_name} {name}"
        for group_name, group in cli.commands.items() if isinstance(group, click.Group)
        for name, found in group.commands.items()
        if any(isinstance(p, click.Option) and p.name == "customer" for p in found.params)
    } == listed  # fmt: skip


def test_until_then_the_operator_sets_the_customer_up(acme, given) -> None:
    for arguments in (*LOOKING, HANDING_OUT[8], HANDING_OUT[2]):
        assert run(given, arguments) is None, arguments


def test_an_administrator_who_was_invited_or_holds_it_for_a_time_does_not_close_it(acme, given) -> None:
    actions.invite_teammate(
        system("test"), acme.customer_id, email=f"{uuid.uuid4().hex}@example.com", name="Asha", permissions=GRANTABLE
    )
    assert run(given, ["teammate", "list"]) is None


def test_suspending_the_administrators_does_not_open_it_again(acme, given) -> None:
    asha = hire(acme.customer_id, "Asha")
    Teammate.objects.filter(id=asha.id).update(suspended_at=now())
    assert run(given, HANDING_OUT[0]) is not None
    assert run(given, ["teammate", "list"]) is not None


def test_an_access_opens_looks_and_is_on_every_entry_and_on_the_customers_banner(acme, bolt, given, who) -> None:
    let_in(join_staff("Otto"), hire(bolt.customer_id, "Mallory"), [Permission.TRAIL])  # and never came
    access = let_in(join_staff("Olga"), hire(acme.customer_id, "Asha"), [Permission.TRAIL])
    assert list_present(acme.customer_id) == []
    for arguments in LOOKING:
        assert run(given, arguments, access) is None, arguments
    looks = list_entries(acme, EntryFilter(access=str(access), actor_id=who)).entries
    assert len(looks) == len(LOOKING)
    assert [view.id for view in list_present(acme.customer_id)] == [access]
    assert list_present(bolt.customer_id) == []
    for arguments in TAKING_AWAY:
        assert run(given, arguments, access) is not None, arguments


def test_an_access_of_another_customer_a_smaller_one_or_one_that_is_over_opens_nothing(acme, bolt, given) -> None:
    olga, asha = join_staff("Olga"), hire(acme.customer_id, "Asha")
    assert run(given, ["trail", "list"], let_in(olga, hire(bolt.customer_id, "Mallory"))) is not None
    assert run(given, ["trail", "list"], uuid.uuid4()) is not None
    smaller = let_in(olga, asha, [Permission.REPORTS])
    assert run(given, ["trail", "list"], smaller) is not None
    operator_access.end_access(by(asha), acme.customer_id, smaller)
    access = let_in(olga, asha, [Permission.TRAIL])
    assert run(given, ["trail", "list"], access) is None
    with clock.held(now() + timedelta(minutes=60)):
        assert run(given, ["trail", "list"], access) is not None
    operator_access.end_access(by(asha), acme.customer_id, access)
    assert run(given, ["trail", "list"], access) is not None


def test_the_operators_staff_hand_out_nothing_but_at_the_command_line(acme, given) -> None:
    """Not even while the customer has no administrator: whoever is at the machine founds a customer, nobody else."""
    olga = join_staff("Olga")
    require_free_hand(operator("root"), acme.customer_id)
    with pytest.raises(Refused, match="hand out nothing"):
        require_free_hand(by(olga), acme.customer_id)
    require_free_hand(operator("root"), OPERATOR_ID)  # its own staff, whoever is among them


def test_a_confirmed_emergency_takes_away_and_hands_out_nothing(acme, bolt, given) -> None:
    olga, asha = join_staff("Olga"), hire(acme.customer_id, "Asha")
    hire(bolt.customer_id, "Mallory")
    other = operator_access.ask_emergency(
        by(join_staff("Oona")), bolt.customer_id, reason="Another one; nobody answers"
    )
    operator_access.confirm_emergency(by(olga), other)
    waiting = operator_access.ask_emergency(by(olga), acme.customer_id, reason="Keys leaked; nobody answers")
    assert run(given, TAKING_AWAY[3], waiting) is not None
    operator_access.confirm_emergency(by(join_staff("Otto")), waiting)
    for arguments in HANDING_OUT:
        assert run(given, arguments) is not None, arguments
    for arguments in TAKING_AWAY:
        assert run(given, arguments, waiting) is None, arguments
    assert Access.objects.get(id=other).command_line_at is None
    with pytest.raises(Conflict, match="last"):
        actions.suspend_teammate(operator("root", str(waiting)), acme.customer_id, asha.id)
