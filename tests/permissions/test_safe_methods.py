"""Looking changes nothing: no GET writes anything but what tells of the look itself (RFC 9110, 9.2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.db import connections

from conftest import _customer
from misentinel.site import urls
from misentinel.store.contracts import Store
from misentinel.teammates.contracts import Permission
from misentinel.web.gate import Declaration, Edge
from tests.isolation.test_http import NO_IDS, OBJECTS, PARAMETER, client_for, send

LOOKS = [d for d in urls.DECLARATIONS if d.method == "GET" and not set(PARAMETER.findall(d.path)) & NO_IDS]
WRITES = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
# The trail and its copy on the way to the customer's; when a session or token was last seen; Django's own session row.
TELLING = {"trail_entry", "trail_controlentry", "teammates_sessionrecord", "teammates_credential", "django_session"}


@pytest.fixture(scope="module")
def acme() -> Iterator[Store]:
    yield from _customer("Acme")


@pytest.mark.parametrize("declaration", LOOKS, ids=lambda d: f"{d.edge} {d.path}")
def test_a_look_writes_nothing_but_that_it_happened(acme: Store, declaration: Declaration) -> None:
    ids = {
        name: OBJECTS[name](acme) if name in OBJECTS else acme.customer_id
        for name in PARAMETER.findall(declaration.path)
    }
    client = client_for(acme, declaration)
    written: set[str] = set()

    def note(execute, statement, parameters, many, context):
        written.update(WRITES.findall(str(statement)))
        return execute(statement, parameters, many, context)

    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(note))
        answer = send(client, declaration, ids)
    assert answer.status_code < 500
    assert written <= TELLING
    if declaration.needs is not Permission.PUBLIC or declaration.edge is Edge.CONSOLE:
        assert written, "the look itself is told"
