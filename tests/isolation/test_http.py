"""Another customer's ids answer exactly as ids that do not exist: status, body and headers, on every route.

Asha of Acme, who may do everything there, asks for Bolt's things. The two answers are compared byte by byte after what
must differ is masked: the id that was asked for, the request id and CSRF tokens. A clock would tell on too few tries
nothing and on a busy machine anything; so instead of seconds the work is compared: the same statements, in the same
order, against the same databases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.http import HttpResponse
from django.test import Client

from conftest import _customer
from misentinel.kernel.actor import system
from misentinel.kernel.clock import in_future
from misentinel.kernel.ids import new_id
from misentinel.messages.actions.sending import send_message
from misentinel.messages.actions.writing import create_message
from misentinel.messages.contracts import Draft, Kind
from misentinel.messages.jobs import mailer_from, send_due
from misentinel.messages.queries.mailbox import list_mail
from misentinel.messages.tests.people import come_in, identify
from misentinel.people.queries import find_by_user_id
from misentinel.segments.actions import create_segment
from misentinel.segments.queries import EVERYONE_ID
from misentinel.site import urls
from misentinel.store.contracts import Store
from misentinel.store.queries import forget_store
from misentinel.teammates import actions
from misentinel.teammates.contracts import GRANTABLE, CredentialKind, Permission
from misentinel.teammates.models import Connection, ConnectionDomain, DirectoryGroup
from misentinel.teammates.passkeys import NewPasskey, keep
from misentinel.teammates.queries import list_devices, list_sessions
from misentinel.teammates.queries.connections import list_connections
from misentinel.teammates.sso.saml import new_key_pair
from misentinel.trail.actions import seal
from misentinel.trail.analysis.saved import save_question
from misentinel.trail.contracts import Tag
from misentinel.trail.queries import list_entries, log_of
from misentinel.trail.shipping.actions import add_sink
from misentinel.trail.shipping.contracts import SinkKind
from misentinel.web.gate import Declaration, Edge
from tests.cast import browser, hire, join_staff, let_in, signed_in, start_session


def _passkey(store: Store) -> UUID:
    made = NewPasskey(new_id().bytes, b"a key", 0, False)
    return keep(hire(store.customer_id, "Mallory"), made, "Laptop").id


def _key(store: Store) -> UUID:
    made = actions.create_credential(system("test"), store.customer_id, CredentialKind.WRITE_KEY, name="Shop")
    return made.view.id


def _device(store: Store) -> UUID:
    mallory = hire(store.customer_id, "Mallory")
    session_id = start_session(mallory)
    [session] = [one for one in list_sessions(mallory.id) if one.id == session_id]
    actions.recognise_device(session, "")
    return list_devices(mallory.id)[0].id


def _grant(store: Store) -> UUID:
    cleo, until = hire(store.customer_id, "Cleo", []), in_future(hours=1)
    return actions.grant_permission(
        system("test"), store.customer_id, cleo.id, Permission.TRAIL, until=until, reason="stands in"
    )


def _role(store: Store) -> UUID:
    made = actions.create_role(system("test"), store.customer_id, title=str(new_id()), permissions=[])
    return UUID(made.id)


def _person(store: Store) -> UUID:
    user = f"person-{new_id()}"
    come_in(store, identify(user, city="York"))
    found = find_by_user_id(store, user)
    assert found is not None
    return found


def _segment(store: Store) -> UUID:
    rule = {"all": [{"attribute": "city", "test": "is", "value": "York"}]}
    return create_segment(store, system("test"), f"Yorkers {new_id()}", rule).id


def _message(store: Store, kind: Kind = Kind.MANUAL) -> UUID:
    auto = {"trigger_event": "Signed Up"} if kind is Kind.AUTO else {"segment_id": EVERYONE_ID}
    draft = Draft(name="Thanks", subject="Thank you", html="", text="Hello", **auto)
    return create_message(store, system("test"), kind, draft).id


def _mail(store: Store) -> UUID:
    """What a sent message leaves in the mailbox while there is no mail server."""
    _person(store)
    send_message(store, system("test"), _message(store))
    send_due(store, mailer_from(settings.MISENTINEL))
    return list_mail(store).mails[0].id


def _connection(store: Store) -> UUID:
    """A connection that was made already: its provider need not be asked for this."""
    row = Connection(customer_id=store.customer_id, kind="saml", name="Acme", issuer="https://id.example.com")
    row.own_certificate = new_key_pair("MiSentinel")[1]
    row.secret = b""
    row.save(force_insert=True)
    return row.id


def _directory(store: Store) -> tuple[Connection, str]:
    """A connection whose directory reaches everybody of this customer who was hired, and a key for it."""
    row = Connection.objects.get(id=_connection(store))
    ConnectionDomain.objects.filter(domain="example.com").delete()
    ConnectionDomain.objects.create(domain="example.com", connection=row)
    made = actions.create_credential(
        system("test"), store.customer_id, CredentialKind.PROVISIONING_KEY, name="Directory", connection_id=row.id
    )
    return row, made.secret


def _group(store: Store) -> UUID:
    """In the directory that `client_for` shows a key of, where there is one."""
    latest = Connection.objects.filter(customer_id=store.customer_id, keys__isnull=False).order_by("-id").first()
    connection = latest or _directory(store)[0]
    return DirectoryGroup.objects.create(connection=connection, name=f"Group {new_id()}").id


def _sink(store: Store) -> UUID:
    name = f"sink-{new_id().hex[-8:]}"
    address = "logs.example.com:6514"
    return add_sink(system("test"), log_of(store), name=name, kind=SinkKind.SYSLOG, address=address, location="GB")[0]


def _entry(store: Store) -> UUID:
    """One that is sealed, so that there is a proof of it."""
    while seal(log_of(store)):
        pass
    return list_entries(store).entries[0].id


# What each parameter of a URL names, and how Bolt comes to have one. A new parameter belongs here.
OBJECTS: dict[str, Callable[[Store], UUID]] = {
    "teammate_id": lambda store: hire(store.customer_id, "Mallory").id,
    "session_id": lambda store: start_session(hire(store.customer_id, "Mallory")),
    "device_id": _device,
    "grant_id": _grant,
    "role_id": _role,
    "passkey_id": _passkey,
    "access_id": lambda store: let_in(join_staff("Olga"), hire(store.customer_id, "Mallory")),
    "key_id": _key,
    "connection_id": _connection,
    "user_id": lambda store: hire(store.customer_id, "Mallory").id,
    "group_id": _group,
    "person_id": _person,
    "segment_id": _segment,
    "message_id": _message,
    "manual_id": _message,
    "auto_id": lambda store: _message(store, Kind.AUTO),
    "mail_id": _mail,
    "entry_id": _entry,
    "query_id": lambda store: save_question(store, system("test"), "Most", "SELECT 1"),
    "sink_id": _sink,
}
# A secret by itself, which names nothing to whoever does not hold it; an enumerated word; a place in one's own log.
NO_IDS = {"token", "kind", "tile"}
ANSWERS = {Tag.SSO_ANSWER}  # these answer only a sign-in that this very browser began; tests/single_sign_on has them
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# The operator's own pages are closed to every teammate: tests/permissions/test_operator_access.py.
ROUTES = [d for d in urls.DECLARATIONS if set(PARAMETER.findall(d.path)) - NO_IDS and d.needs is not Permission.OPERATE]


@pytest.fixture(scope="module")
def customers() -> Iterator[tuple[Store, Store]]:
    """Acme and Bolt, once for all routes: nothing here changes what another route is asked for."""
    made = [_customer("Acme"), _customer("Bolt")]
    acme, bolt = (next(customer) for customer in made)
    yield acme, bolt
    for customer in made:
        next(customer, None)


@pytest.fixture
def acme(customers: tuple[Store, Store]) -> Store:
    return customers[0]


@pytest.fixture
def bolt(customers: tuple[Store, Store]) -> Store:
    return customers[1]


@pytest.mark.parametrize("declaration", ROUTES, ids=lambda d: f"{d.method} {d.path}")
def test_a_neighbours_id_answers_as_one_that_does_not_exist(acme, bolt, declaration: Declaration) -> None:
    asha = client_for(acme, declaration)
    names = PARAMETER.findall(declaration.path)
    assert set(names) <= set(OBJECTS), f"add what {set(names) - set(OBJECTS)} names to OBJECTS"
    theirs = {name: OBJECTS[name](bolt) for name in names}
    nothing = {name: new_id() for name in names}
    forget_store(acme.customer_id)  # it is held for seconds only, which must not run out between the two
    send(asha, declaration, {name: new_id() for name in names})  # whatever is held after a first request is held now
    (for_theirs, work_for_theirs), (for_nothing, work_for_nothing) = (
        worked(asha, declaration, ids) for ids in (theirs, nothing)
    )
    assert masked(for_theirs, theirs) == masked(for_nothing, nothing)
    assert for_theirs.status_code == 404
    assert work_for_theirs == work_for_nothing


@pytest.mark.parametrize(
    "declaration",
    [d for d in ROUTES if d.method == "GET" and d.tag not in ANSWERS],
    ids=lambda d: f"{d.method} {d.path}",
)
def test_ones_own_id_does_answer(acme, declaration: Declaration) -> None:
    """Or the test above would pass for a route that finds nothing at all."""
    client = client_for(acme, declaration)
    ids = {name: OBJECTS[name](acme) for name in PARAMETER.findall(declaration.path)}
    assert send(client, declaration, ids).status_code == 200


def test_the_comparison_of_work_sees_what_only_one_of_two_answers_cost(acme) -> None:
    declaration = next(d for d in ROUTES if d.path == "api/people/<person_id>/events")
    asha, mine = client_for(acme, declaration), {"person_id": _person(acme)}
    send(asha, declaration, mine)
    work = [worked(asha, declaration, ids)[1] for ids in (mine, mine, {"person_id": new_id()})]
    assert work[0] == work[1] != work[2]
    assert acme.alias in {alias for alias, _ in work[2]}


def test_a_customer_lists_its_own_connections_alone(acme, bolt) -> None:
    theirs, mine = _connection(bolt), _connection(acme)
    listed = [connection.id for connection in list_connections(acme.customer_id)]
    assert mine in listed
    assert theirs not in listed


def client_for(store: Store, declaration: Declaration) -> Client:
    if declaration.edge is Edge.CONSOLE:
        return signed_in(hire(store.customer_id, "Asha"))
    if declaration.needs is Permission.PROVISION:
        return browser(HTTP_AUTHORIZATION=f"Bearer {_directory(store)[1]}")
    made = actions.create_credential(
        system("test"), store.customer_id, CredentialKind.API_TOKEN, name="All", permissions=GRANTABLE
    )
    return browser(HTTP_AUTHORIZATION=f"Bearer {made.secret}")


def send(client: Client, declaration: Declaration, ids: dict[str, UUID]) -> HttpResponse:
    url = "/" + PARAMETER.sub(lambda place: str(ids[place[1]]), declaration.path)
    return client.generic(declaration.method, url, secure=True)


def worked(
    client: Client, declaration: Declaration, ids: dict[str, UUID]
) -> tuple[HttpResponse, list[tuple[str, str]]]:
    """The answer, and the statements that it cost: which databases, which texts, without their values."""
    seen: list[tuple[str, str]] = []

    def note(execute, statement, parameters, many, context):
        seen.append((context["connection"].alias, re.sub(r'"?s\d+_x\d+"?', "savepoint", str(statement))))
        return execute(statement, parameters, many, context)

    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(note))
        return send(client, declaration, ids), seen


def masked(response: HttpResponse, ids: dict[str, UUID]) -> tuple[int, str, dict[str, str]]:
    body = response.content.decode()
    for changing in (*map(str, ids.values()), response["X-Request-Id"]):
        body = body.replace(changing, "…")
    body = re.sub(r'((?:csrfmiddlewaretoken" value|X-CSRFToken"): ?"?|value=")[A-Za-z0-9]{64}', r"\1…", body)
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-Id"}
    return response.status_code, body, headers
