"""Each route's own guard is taken away in turn, while the program runs: somebody the matrix keeps out must then get in.

So no route is kept shut by chance alone, and the matrix would tell of every declaration that became weaker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.clock import in_future
from misentinel.teammates import actions
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.contracts import Tag
from misentinel.trail.models import Entry
from misentinel.web.gate import Declaration, Edge
from tests.cast import browser, hire, signed_in
from tests.permissions.principals import _stale
from tests.permissions.test_matrix import DECLARATIONS, GATE_SAYS, as_told, fill, read_blocks, route_of, send

GUARDED = [d for d in DECLARATIONS if d.needs not in (Permission.PUBLIC, Permission.SIGNED_IN)]
FRESH = [d for d in DECLARATIONS if d.fresh]
TWICE = re.compile(r" /((operator|settings/operator-access|scim)/|trail/export$)")
"""Where the action asks once more by itself: for the operator's staff, a directory's connection, what is exported."""
MATRIX = {route: as_told(block) for route, block in read_blocks().items()}


@pytest.fixture
def powerless(acme) -> dict[Edge, Client]:
    """Somebody whom each edge knows, and who may do nothing there."""
    made = actions.create_credential(
        system("test"), acme.customer_id, CredentialKind.API_TOKEN, name="Reports", permissions={Permission.REPORTS},
        expires_at=in_future(days=1),
    )  # fmt: skip
    token = browser(HTTP_AUTHORIZATION=f"Bearer {made.secret}")
    return {Edge.CONSOLE: signed_in(hire(acme.customer_id, "Nobody", [])), Edge.API: token}


@contextmanager
def weakened(declaration: Declaration, **weaker: Any) -> Iterator[None]:
    was = {name: getattr(declaration, name) for name in weaker}
    for name, value in weaker.items():
        object.__setattr__(declaration, name, value)
    try:
        yield
    finally:
        for name, value in was.items():
            object.__setattr__(declaration, name, value)


def is_refused(acme, client: Client, declaration: Declaration) -> bool:
    answer = send(client, declaration.method, fill(declaration.path))
    entries = [
        entry
        for alias in ("default", acme.alias)
        for entry in Entry.objects.using(alias).filter(request_id=answer["X-Request-Id"])
    ]
    return any(entry.tag == Tag.ACCESS_REFUSE and entry.details["error"] in GATE_SAYS for entry in entries)


@pytest.mark.parametrize("edge", [Edge.CONSOLE, Edge.API])
def test_a_route_whose_permission_is_taken_away_lets_somebody_in_whom_the_matrix_keeps_out(acme, powerless, edge):
    client, name = powerless[edge], "without-any" if edge is Edge.CONSOLE else "api-token-reports"
    still_shut, compared = [], 0
    for declaration in GUARDED:
        if declaration.edge is not edge or declaration.needs is Permission.REPORTS:
            continue
        assert MATRIX[route_of(declaration)][name].endswith("refused"), declaration
        compared += 1
        asked = Permission.SIGNED_IN if edge is Edge.CONSOLE else Permission.PUBLIC
        with weakened(declaration, needs=asked, fresh=False):
            if is_refused(acme, client, declaration):
                still_shut.append(route_of(declaration))
    assert compared > 20 and [route for route in still_shut if not TWICE.search(route)] == []


def test_a_route_that_no_longer_asks_for_a_fresh_proof_lets_in_whom_the_matrix_keeps_out(acme):
    knock = _stale(hire(acme.customer_id, "Stale"))
    still_shut = []
    for declaration in FRESH:
        if declaration.needs is Permission.OPERATE:
            continue
        assert MATRIX[route_of(declaration)]["stale-step-up"].endswith("refused"), declaration
        with weakened(declaration, fresh=False):
            if is_refused(acme, knock(), declaration):
                still_shut.append(route_of(declaration))
    assert len(FRESH) > 20 and still_shut == []
