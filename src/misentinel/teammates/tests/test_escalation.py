"""Whatever administrators do, in whatever order: nobody comes by a permission that none of them held.

A machine of hypothesis tries sequences of the real actions on real rows, as the gate would let them through, and looks
after each step at everybody who could act: teammates, keys, and open links, each of which is a way into an account.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import MiSentinelError
from misentinel.store.contracts import Store
from misentinel.teammates import actions, rules
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Credential, Enrolment, Grant, Role, Teammate
from misentinel.teammates.queries.holding import held_for_good, held_now, known_permissions, live_grants
from misentinel.teammates.roles import OWNER

FEW = [Permission.TEAMMATES, Permission.APPS_AND_API, Permission.USER_DATA, Permission.EXPORT]
sets = st.sets(st.sampled_from(FEW)).map(frozenset)
anyone = st.integers(0, 50)
role_ids = st.integers(-3, 20)


class Escalation(RuleBasedStateMachine):
    """One customer. `ceiling` is what its people hold between them for good: it may shrink, never grow."""

    customer_id: ClassVar[uuid.UUID]

    def __init__(self) -> None:
        super().__init__()
        Teammate.objects.filter(customer_id=self.customer_id).delete()
        Role.objects.filter(customer_id=self.customer_id).delete()
        Credential.objects.filter(customer_id=self.customer_id).delete()
        self.makers: dict[str, frozenset[Permission]] = {}  # digests of links → what their makers held
        self.done = 0

    @initialize(held=st.lists(sets, min_size=2, max_size=4), owned=st.booleans())
    def found(self, held: list[frozenset[Permission]], owned: bool) -> None:
        for number, permissions in enumerate([GRANTABLE, *held] if owned else held):
            Teammate.objects.create(
                customer_id=self.customer_id, email=f"{uuid.uuid4().hex}@example.com", name=f"Number {number}",
                permissions=sorted(permissions), enrolled_at=now(),
            )  # fmt: skip
        self.owned = owned
        self.ceiling = self._ceiling()

    @rule(who=anyone, whom=anyone, permissions=sets, role=role_ids)
    def permit(self, who: int, whom: int, permissions: frozenset[Permission], role: int) -> None:
        self._do(who, lambda actor: actions.set_permissions(
            actor, self.customer_id, self._one(whom), permissions, role=self._role(role)
        ))  # fmt: skip

    @rule(who=anyone, whom=anyone, permission=st.sampled_from(FEW))
    def grant(self, who: int, whom: int, permission: Permission) -> None:
        until = now() + timedelta(days=1)
        self._do(who, lambda actor: actions.grant_permission(
            actor, self.customer_id, self._one(whom), permission, until=until, reason="For today"
        ))  # fmt: skip

    @rule()
    def a_day_passes(self) -> None:
        Grant.objects.filter(teammate__customer_id=self.customer_id).update(expires_at=now())

    @rule(who=anyone, permissions=sets)
    def make_role(self, who: int, permissions: frozenset[Permission]) -> None:
        title = f"Role {uuid.uuid4().hex[:8]}"
        self._do(who, lambda actor: actions.create_role(actor, self.customer_id, title=title, permissions=permissions))

    @rule(who=anyone, role=role_ids, permissions=sets)
    def change_role(self, who: int, role: int, permissions: frozenset[Permission]) -> None:
        title = f"Role {uuid.uuid4().hex[:8]}"
        self._do(who, lambda actor: actions.edit_role(
            actor, self.customer_id, self._role(role), title=title, about="", permissions=permissions
        ))  # fmt: skip

    @rule(who=anyone, role=role_ids)
    def drop_role(self, who: int, role: int) -> None:
        self._do(who, lambda actor: actions.delete_role(actor, self.customer_id, self._role(role)))

    @rule(who=anyone, permissions=sets, role=role_ids)
    def invite(self, who: int, permissions: frozenset[Permission], role: int) -> None:
        email = f"{uuid.uuid4().hex}@example.com"
        self._do(who, lambda actor: actions.invite_teammate(
            actor, self.customer_id, email=email, name="Zoe", permissions=permissions, role=self._role(role)
        ))  # fmt: skip

    @rule(who=anyone, whom=anyone)
    def renew_link(self, who: int, whom: int) -> None:
        self._do(who, lambda actor: actions.renew_enrolment(actor, self.customer_id, self._one(whom)))

    @rule(which=anyone)
    def use_link(self, which: int) -> None:
        """Whoever holds it: its maker, who saw it, or whom it was made for."""
        links = self._links()
        if links:
            link = links[which % len(links)]
            Teammate.objects.filter(id=link.teammate_id).update(enrolled_at=now())
            Enrolment.objects.filter(teammate_id=link.teammate_id).update(ended_at=now())

    @rule(who=anyone, whom=anyone)
    def suspend(self, who: int, whom: int) -> None:
        self._do(who, lambda actor: actions.suspend_teammate(actor, self.customer_id, self._one(whom)))

    @rule(who=anyone, whom=anyone)
    def reinstate(self, who: int, whom: int) -> None:
        self._do(who, lambda actor: actions.reinstate_teammate(actor, self.customer_id, self._one(whom)))

    @rule(who=anyone, permissions=sets)
    def make_key(self, who: int, permissions: frozenset[Permission]) -> None:
        self._do(
            who,
            lambda actor: actions.create_credential(
                actor, self.customer_id, CredentialKind.API_TOKEN, name="Key", permissions=permissions
            ),
            needs=Permission.APPS_AND_API,
        )

    @invariant()
    def nobody_holds_more_than_all_did_between_them(self) -> None:
        if not hasattr(self, "ceiling"):
            return
        assert self._ceiling() <= self.ceiling
        for_a_time = Grant.objects.filter(**self._theirs()).values_list("permission", flat=True)
        assert known_permissions(list(for_a_time)) <= self.ceiling

    @invariant()
    def the_last_full_administrator_is_there(self) -> None:
        if getattr(self, "owned", False):
            able = Teammate.objects.filter(customer_id=self.customer_id, suspended_at=None, enrolled_at__isnull=False)
            assert any(held_for_good(teammate) >= GRANTABLE for teammate in able)

    @invariant()
    def no_open_link_leads_further_than_its_maker_could(self) -> None:
        for link in self._links():
            assert held_now(link.teammate) <= self.makers[bytes(link.token_digest).hex()]

    def _do(self, who: int, action: Callable[[Actor], object], needs: Permission = Permission.TEAMMATES) -> None:
        """As the gate: whoever may sign in and holds what the route needs. A refusal changes nothing."""
        teammates = self._teammates()
        teammate = teammates[who % len(teammates)]
        if not teammate.may_sign_in or needs not in held_now(teammate, teammate.grants_now):
            return
        could = held_for_good(teammate)
        before = {row.id: held_now(row, row.grants_now) for row in teammates}
        try:
            action(Actor(ActorKind.TEAMMATE, str(teammate.id)))
        except MiSentinelError:
            assert {row.id: held_now(row, row.grants_now) for row in self._teammates()} == before
            return
        self.done += 1
        for row in self._teammates():
            gained = held_now(row, row.grants_now) - before.get(row.id, frozenset())
            assert gained <= could, f"{gained - could} came from nowhere"
        for link in self._links():
            self.makers.setdefault(bytes(link.token_digest).hex(), could)

    def _teammates(self) -> list[Teammate]:
        rows = Teammate.objects.select_related("role").annotate(grants_now=live_grants())
        return list(rows.filter(customer_id=self.customer_id).order_by("id"))

    def _links(self) -> list[Enrolment]:
        rows = Enrolment.objects.select_related("teammate__role").filter(ended_at=None, **self._theirs())
        return list(rows.filter(teammate__suspended_at=None).order_by("id"))

    def _theirs(self) -> dict[str, object]:
        return {"teammate__customer_id": self.customer_id}

    def _ceiling(self) -> frozenset[Permission]:
        held = [held_for_good(row) for row in self._teammates()]
        keys = Credential.objects.filter(customer_id=self.customer_id)
        return frozenset().union(*held, *(known_permissions(key.permissions) for key in keys))

    def _one(self, whom: int) -> uuid.UUID:
        teammates = self._teammates()
        return teammates[whom % len(teammates)].id

    def _role(self, number: int) -> str:
        own = list(Role.objects.filter(customer_id=self.customer_id).order_by("id").values_list("id", flat=True))
        return OWNER if number == -1 else str(own[number % len(own)]) if own and number >= 0 else ""


def machine_at(store: Store) -> type[Escalation]:
    return type("Machine", (Escalation,), {"customer_id": store.customer_id})


SHORT = hypothesis.settings(max_examples=8, stateful_step_count=25, deadline=None, database=None)


def test_no_sequence_of_actions_brings_a_permission_that_nobody_held(acme: Store) -> None:
    looking = hypothesis.settings()
    settings = SHORT if looking.max_examples < 1000 else hypothesis.settings(looking, stateful_step_count=60)
    run_state_machine_as_test(machine_at(acme), settings=settings)


BEN, ZOE = frozenset({Permission.TEAMMATES, Permission.USER_DATA}), frozenset({Permission.USER_DATA})


def give_what_one_lacks(machine: Escalation) -> None:
    machine.found([BEN, ZOE], owned=False)
    machine.permit(0, 1, frozenset({Permission.EXPORT}), -3)


def make_a_link_to_somebody_greater(machine: Escalation) -> None:
    machine.found([BEN], owned=True)
    machine.renew_link(1, 0)


def shut_the_owner_out(machine: Escalation) -> None:
    machine.found([BEN], owned=True)
    machine.suspend(1, 0)


@pytest.mark.parametrize(
    ("guard", "attack"),
    [
        ("require_grantable", give_what_one_lacks),
        ("require_reach", make_a_link_to_somebody_greater),
        ("require_administrator", shut_the_owner_out),
    ],
)
def test_the_machine_sees_it_when_a_rule_is_taken_away(
    acme: Store, guard: str, attack: Callable[[Escalation], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> None:
        machine = machine_at(acme)()
        attack(machine)
        machine.nobody_holds_more_than_all_did_between_them()
        machine.the_last_full_administrator_is_there()
        machine.no_open_link_leads_further_than_its_maker_could()

    run()
    monkeypatch.setattr(rules, guard, lambda *arguments: None)
    with pytest.raises(AssertionError):
        run()


@pytest.mark.parametrize("how", ["single", "role", "grant"])
def test_a_link_ends_when_its_teammate_comes_to_hold_more(acme: Store, how: str) -> None:
    """Ben made it while Zoe held no more than he; with it he could become her."""
    machine = machine_at(acme)()
    machine.found([BEN, ZOE], owned=True)
    machine.make_role(0, ZOE)
    machine.permit(0, 2, frozenset(), 0)
    machine.renew_link(1, 2)
    assert machine.done == 3 and machine._links()
    more = frozenset({Permission.EXPORT, Permission.USER_DATA})
    step = {
        "single": lambda: machine.permit(0, 2, more, 0),
        "role": lambda: machine.change_role(0, 0, more),
        "grant": lambda: machine.grant(0, 2, Permission.EXPORT),
    }[how]
    step()
    assert machine.done == 4
    machine.no_open_link_leads_further_than_its_maker_could()
    assert machine._links() == []


def test_a_link_stays_where_its_teammate_only_loses(acme: Store) -> None:
    machine = machine_at(acme)()
    machine.found([BEN, ZOE], owned=True)
    machine.renew_link(1, 2)
    machine.permit(0, 2, frozenset(), -3)
    assert machine.done == 2 and machine._links()


def test_the_actors_of_the_machine_do_come_through(acme: Store) -> None:
    """A machine whose every step is refused would prove nothing."""
    machine = machine_at(acme)()
    machine.found([frozenset(FEW)], owned=True)
    machine.invite(0, frozenset({Permission.EXPORT}), -3)
    machine.permit(0, 1, frozenset({Permission.USER_DATA}), -3)
    machine.make_key(0, frozenset({Permission.EXPORT}))
    assert machine.done == 3
