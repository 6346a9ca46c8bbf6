"""Every route × method × principal, through the whole stack, against `matrix.txt`.

The file says for each route who is let in and how everyone else is refused. It is read as a diff whenever a route or a
permission changes; `make matrix` writes it anew. In the same run every request, refused or let in, must have left an
entry on the trail.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client

from conftest import _customer
from misentinel.kernel.clock import now
from misentinel.site import urls
from misentinel.teammates.contracts import GRANTABLE, LETTABLE, Permission
from misentinel.trail.contracts import Tag
from misentinel.trail.models import Entry
from misentinel.web.gate import Declaration, Edge
from tests.permissions.principals import Knock, crowd, everyone, holders

MATRIX = Path(__file__).parent / "matrix.txt"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
SLICES = 4  # so that processes can share the work
NOTHING = UUID("00000000-0000-7000-8000-000000000000")
LET_IN = "let in"
GATE_SAYS = {"not_signed_in", "refused"}
REFUSALS = {302, 401, 403}  # 302 leads to the sign-in page
SHUT_OUT = {
    "anonymous", "suspended", "without-second-factor", "not-enrolled", "revoked-session", "idle-session",
    "expired-session", "old-cookie",
    "expired-api-token", "revoked-api-token", "unsigned-api-token", "revoked-write-key",
}  # fmt: skip
CROWDS = {
    "TEAMMATES": crowd(),
    "TOKENS": {"api-token", "read-only-api-token", *(f"api-token-{permission}" for permission in GRANTABLE)},
    "SHUT-OUT": SHUT_OUT,
}
WHOLE = bool(os.environ.get("WRITE_MATRIX") or os.environ.get("WHOLE_MATRIX"))
ALSO = {"GET /trail/export": Permission.TRAIL}
"""What a route needs beside what it declares: whoever exports must be let see what they take."""
HEADING = """\
# Who is let in where. Written by `make matrix`, read as a diff.
# "let in" passed the gate, whatever the view answered; anything else is how the gate refused.
# TEAMMATES: owner other-owner without-any, one with each single permission ("only-…") and with each role ("role-…"),
#     own-role (a role of the customer's own: reports, trail), granted-for-a-time (user-data), grant-ran-out,
#     and stale-step-up, an owner whose last proof of a factor is older than a route marked "fresh" lets through
# TOKENS: api-token (holds everything that can be granted), read-only-api-token (the same, to look only), and one with
#     each single permission ("api-token-…")
# SHUT-OUT: whoever held everything until they were suspended, revoked, expired …; a token whose request lacks the
#     signature that it asks for; and anonymous
"""


DECLARATIONS = sorted(urls.DECLARATIONS, key=lambda declaration: (declaration.path, declaration.method))


def route_of(declaration: Declaration) -> str:
    return f"{declaration.method} /{declaration.path}"


ROUTES = [route_of(declaration) for declaration in DECLARATIONS]


@dataclass(frozen=True)
class Answer:
    """What one knock got: the status, and the entries that carry its request id."""

    declaration: Declaration
    principal: str
    status: int
    entries: tuple[Entry, ...]

    @property
    def refused(self) -> bool:
        return any(e.tag == Tag.ACCESS_REFUSE and e.details["error"] in GATE_SAYS for e in self.entries)

    @property
    def told(self) -> str:
        if not self.entries:
            return f"{self.status} AND NO ENTRY"
        return f"{self.status} refused" if self.refused else LET_IN

    def __str__(self) -> str:
        return f"{route_of(self.declaration)} as {self.principal}: {self.status}"


@pytest.fixture(scope="module", params=range(SLICES), ids=lambda number: f"slice-{number}")
def answers(request: pytest.FixtureRequest) -> list[Answer]:
    """Knocks as everybody at every route of one slice, and looks every answer up on the trail."""
    began = now()
    customers = [_customer(name) for name in ("Acme", "Bolt")]
    acme, bolt = [next(customer) for customer in customers]
    principals = everyone(acme.customer_id, bolt.customer_id)
    knocks = [
        (declaration, name, send(knock(), declaration.method, fill(declaration.path)))
        for declaration in DECLARATIONS[request.param :: SLICES]
        for name, knock in chosen(principals, declaration).items()
    ]
    found = defaultdict(list)
    for alias in ("default", acme.alias, bolt.alias):
        for entry in Entry.objects.using(alias).filter(at__gte=began):
            found[entry.request_id].append(entry)
    for customer in customers:
        next(customer, None)
    return [
        Answer(declaration, name, response.status_code, tuple(found[response["X-Request-Id"]]))
        for declaration, name, response in knocks
    ]


def chosen(principals: dict[str, Knock], declaration: Declaration) -> dict[str, Knock]:
    """Who knocks at this route: everybody, or in the quick run, of those who show what its edge does not read, a few.

    A session is nothing to the API, nor a key to the console, nor either to the public pages; with so many routes
    everybody has their turn there too. `make matrix` and `make audit` leave nobody out.
    """
    if WHOLE:
        return principals
    strangers = sorted(principals.keys() - interested(declaration.edge, principals) - {"anonymous"})
    routes = [route_of(other) for other in DECLARATIONS if other.edge is declaration.edge]
    turn = {*strangers[routes.index(route_of(declaration)) % len(strangers) :: len(routes)]}
    return {name: knock for name, knock in principals.items() if name not in strangers or name in turn}


def interested(edge: Edge, principals: dict[str, Knock]) -> set[str]:
    """Those who show what this edge looks at."""
    programs = {name for name in principals if "token" in name or "key" in name}
    return programs if edge is Edge.API else set() if edge is Edge.PUBLIC else principals.keys() - programs


def test_everybody_has_a_turn_at_every_edge() -> None:
    names = dict.fromkeys([*crowd(), *SHUT_OUT, *CROWDS["TOKENS"]], Client)
    turns = [(d.edge, name) for d in DECLARATIONS for name in chosen(names, d)]
    for edge in (Edge.CONSOLE, Edge.API):
        assert {name for one, name in turns if one is edge} == {*names}


def test_everybody_is_let_in_or_refused_as_the_matrix_says(answers: list[Answer]) -> None:
    if os.environ.get("WRITE_MATRIX"):
        told = read_blocks() | as_blocks(answers)
        MATRIX.write_text("\n".join([HEADING, *(told[route] for route in ROUTES if route in told)]))
    blocks = read_blocks()
    expected = {route: as_told(block) for route, block in blocks.items()}
    differences = [
        f"{route_of(answer.declaration)} as {answer.principal}: {answer.told}, was {told}"
        for answer in answers
        if answer.told != (told := expected.get(route_of(answer.declaration), {}).get(answer.principal, "not there"))
    ]
    differences += [
        f"{heading} is not how the matrix has it"
        for route, block in as_blocks(answers).items()
        if (heading := block.partition("\n")[0]) != blocks.get(route, "").partition("\n")[0]
    ]
    told_so = "\n".join(differences[:40])
    assert not differences, f"who may do what has changed; if that is meant, run `make matrix`:\n{told_so}"


def test_the_matrix_tells_of_every_route_and_of_none_that_is_gone() -> None:
    assert [*read_blocks()] == ROUTES


def test_every_request_left_an_entry(answers: list[Answer]) -> None:
    assert [str(answer) for answer in answers if not answer.entries] == []


def test_every_refusal_is_told_to_the_caller_and_to_the_trail(answers: list[Answer]) -> None:
    refused = [answer for answer in answers if answer.refused]
    assert len(refused) > len(answers) / 4
    assert [str(answer) for answer in refused if answer.status not in REFUSALS] == []
    assert [str(answer) for answer in answers if answer.status in {401, 403} and not answer.refused] == []
    assert {e.outcome for answer in refused for e in answer.entries if e.tag == Tag.ACCESS_REFUSE} == {"refused"}


def test_nothing_fails_inside_whoever_knocks(answers: list[Answer]) -> None:
    assert [str(answer) for answer in answers if answer.status >= 500] == []


@pytest.mark.parametrize("permission", sorted(GRANTABLE))
def test_a_permission_opens_its_routes_to_its_holders_alone(answers: list[Answer], permission: Permission) -> None:
    """The rule itself, so that a matrix written in haste is still measured against it."""
    tokens = {"api-token", f"api-token-{permission}"}
    for answer in answers:
        if answer.declaration.needs is not permission:
            continue
        in_console = answer.declaration.edge is Edge.CONSOLE
        only_looks = answer.declaration.method == "GET" or answer.declaration.looks
        let_in = holders(permission, fresh=answer.declaration.fresh) if in_console else tokens
        if not in_console and only_looks:
            let_in = {*let_in, "read-only-api-token"}
        if also := ALSO.get(route_of(answer.declaration)):
            let_in = {*let_in} & holders(also, fresh=answer.declaration.fresh)
        if in_console and permission in LETTABLE:
            let_in = {*let_in, "operator-with-grant"}
        assert answer.refused == (answer.principal not in let_in), answer


def test_the_operators_staff_reach_their_own_pages_and_nobody_else_does(answers: list[Answer]) -> None:
    for answer in answers:
        if answer.declaration.needs is Permission.OPERATE:
            assert answer.refused != answer.principal.startswith("operator-"), answer


def test_whoever_was_shut_out_gets_no_further_than_anybody(answers: list[Answer]) -> None:
    for answer in answers:
        if answer.principal in SHUT_OUT and answer.declaration.needs is not Permission.PUBLIC:
            assert answer.refused, answer


def test_a_fresh_route_asks_whoever_proved_it_too_long_ago(answers: list[Answer]) -> None:
    stale = [answer for answer in answers if answer.principal == "stale-step-up"]
    assert {a.refused for a in stale if a.declaration.fresh} <= {True}
    fresh = [a for a in stale if a.declaration.fresh and a.declaration.needs is not Permission.OPERATE]
    whys = {e.details.get("why") for a in fresh for e in a.entries}
    assert whys <= {"stale_step_up"}


def fill(url: str) -> str:
    """A path with something in each place that names nothing there is."""
    return "/" + re.sub(r"<(?:(\w+):)?(\w+)>", lambda place: _nothing(place[1], place[2]), url)


def _nothing(converter: str | None, name: str) -> str:
    if converter == "uuid" or name.endswith("id"):
        return str(NOTHING)
    return "1" if converter == "int" else "none-such"


def send(client: Client, method: str, url: str) -> HttpResponse:
    return client.generic(method, url, b"", content_type="application/x-www-form-urlencoded", secure=True)


def as_blocks(answers: list[Answer]) -> dict[str, str]:
    """What the matrix says of each route, by method and path."""
    blocks: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    needs = {}
    for answer in answers:
        route = route_of(answer.declaration)
        blocks[route][answer.told].append(answer.principal)
        needs[route] = answer.declaration.needs.value + ", fresh" * answer.declaration.fresh
    return {
        route: "\n".join(
            [
                f"{route}  needs {needs[route]}",
                *(f"    {said}: {_shortly(told[said])}" for said in sorted(told, reverse=True)),
                "",
            ]
        )
        for route, told in blocks.items()
    }


def as_told(block: str) -> dict[str, str]:
    """What a block says of each principal: the reverse of `as_blocks`."""
    found = {}
    for line in block.splitlines()[1:]:
        said, _, names = line.strip().partition(": ")
        for word, everybody in CROWDS.items():
            missing = re.search(rf"{word}(?: except \(([^)]*)\))?", names)
            if missing:
                found |= dict.fromkeys(everybody - {*(missing[1] or "").split()}, said)
                names = names.replace(missing[0], "")
        found |= dict.fromkeys(names.split(), said)
    return found


def read_blocks() -> dict[str, str]:
    text = MATRIX.read_text() if MATRIX.exists() else ""
    blocks = [block.strip("\n") + "\n" for block in text.split("\n\n") if block.strip() and block[0] != "#"]
    return {block.partition("  needs ")[0]: block for block in blocks}


def _shortly(names: list[str]) -> str:
    """Names, with the three crowds under one word each, less the few of them who are missing."""
    words = []
    for word, everybody in CROWDS.items():
        missing = everybody - {*names}
        if len(missing) <= len(everybody) // 2:
            words.append(word + (f" except ({' '.join(sorted(missing))})" if missing else ""))
            names = [name for name in names if name not in everybody]
    return " ".join([*words, *names])
