"""People and messages for the tests, made the way the program makes them: by what comes in, and by actions."""

from __future__ import annotations

import orjson

from misentinel.events import actions as events
from misentinel.events.rules.protocol import parse
from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.messages import actions, queries
from misentinel.messages.channels.server import Server, Tls
from misentinel.messages.channels.smtp import SmtpChannel
from misentinel.messages.contracts import Draft, Kind
from misentinel.messages.jobs import Mailer
from misentinel.messages.rules.mime import Sender
from misentinel.people.queries import find_by_email
from misentinel.segments.queries import EVERYONE_ID
from misentinel.store import outbox

ASHA = Actor(ActorKind.TEAMMATE, "asha")
KEY = Actor(ActorKind.WRITE_KEY, "key-1")
SENDER = Sender("Acme", "hello@acme.example.com")
BASE = "https://acme.example.com"


def come_in(store, *items, at=None):
    for start in range(0, len(items), 400):
        batch = parse(orjson.dumps({"batch": items[start : start + 400]}), "batch", at or now())
        events.ingest(store, KEY, batch)


def identify(user, **traits):
    return {"type": "identify", "userId": user, "traits": {"email": f"{user}@example.com", **traits}}


def track(user, name, **properties):
    return {"type": "track", "userId": user, "event": name, "properties": properties}


def crowd(store, count):
    come_in(store, *(identify(f"p{i}", name=f"Person {i}") for i in range(count)))
    return [f"p{i}@example.com" for i in range(count)]


def person_id(store, user):
    return find_by_email(store, f"{user}@example.com")[0]


def manual(store, **changes):
    draft = {"name": "News", "subject": "Hi {{ name | default: 'you' }}", "html": "<p>Dear {{ name }}</p>"}
    return actions.create_message(store, ASHA, Kind.MANUAL, Draft(**{**draft, "segment_id": EVERYONE_ID, **changes}))


def auto(store, **changes):
    draft = {
        "name": "Thanks", "subject": "Thanks", "html": "<p>{{ name }} bought {{ event.item }}</p>",
        "trigger_event": "Order",
    }  # fmt: skip
    message = actions.create_message(store, ASHA, Kind.AUTO, Draft(**{**draft, **changes}))
    actions.set_live(store, ASHA, message.id)
    return message


def mailer(port, connections=2, **changes):
    channel = SmtpChannel(Server("127.0.0.1", port, Tls.NONE), connections)
    return Mailer(**{"channel": lambda store: channel, "sender": SENDER, "base_url": BASE, **changes})


def drain(store):
    """What the worker does with the outbox, without what the wiring makes of scheduled jobs."""
    from misentinel.site.wiring import HANDLERS

    return outbox.drain(store, HANDLERS)


def states(store, message):
    return {state.value: number for state, number in queries.report(store, message.id).states.items()}


def reasons(store, message):
    return {reason.value: number for reason, number in queries.report(store, message.id).reasons.items()}
