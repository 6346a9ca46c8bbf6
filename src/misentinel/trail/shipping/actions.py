"""Setting sinks. A sink's address and location never change: another place is another sink, with its own cursor."""

from __future__ import annotations

import re
from secrets import token_urlsafe
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.kernel.actor import COMMAND_LINE, Actor
from misentinel.kernel.errors import Conflict, Invalid, NotFound
from misentinel.trail.actions import CONTROL_ALIAS, record_control
from misentinel.trail.contracts import Log, Tag
from misentinel.trail.models import Sink
from misentinel.trail.shipping.contracts import HOME, SinkKind
from misentinel.trail.shipping.destinations import open_destination, seal_sink_secret
from misentinel.trail.shipping.reading import log_size
from misentinel.trail.shipping.sending import named_host, parse_address

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_LOCATION = re.compile(r"[A-Z]{2}")
_SECRET = re.compile(r"[!-~]{1,200}")
_SHORTEST_KEY = 16


def add_sink(
    actor: Actor,
    log: Log,
    *,
    name: str,
    kind: SinkKind,
    address: str,
    location: str,
    secret: str = "",
    first: int = 0,
    plain_end: bool = False,
) -> tuple[UUID, str]:
    """Adds a sink that gets the log from index `first` on. Returns its id and, where one was made, the new HMAC key,
    which nothing shows again. `plain_end` takes the end of a stream without close_notify for its acknowledgement, as
    `SinkKind.LINES` always does. What is set elsewhere than at the command line reaches public addresses alone.

    Raises `Invalid` for what cannot be used, `Conflict` for a name that is taken.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("A sink's name has up to 60 small letters, digits and hyphens.")
    if not _LOCATION.fullmatch(location) or location == "UK":
        raise Invalid(f"The location must be a country's two letters by ISO 3166-1, like {HOME} for the UK.")
    if not 0 <= first <= log_size(log):
        raise Invalid(f"The log has {log_size(log)} entries: begin with an index from 0 to that.")
    made = token_urlsafe(32) if kind is SinkKind.NDJSON and not secret else ""
    sink = Sink(
        customer_id=log.customer_id, name=name, kind=kind.value, address=address, location=location,
        by_operator=actor.credential == COMMAND_LINE, plain_end=plain_end or kind is SinkKind.LINES, next_index=first,
    )  # fmt: skip
    _require_secret(kind, secret or made)
    sink.secret = seal_sink_secret(sink, secret or made) if secret or made else None
    destination = open_destination(sink, log)
    target = parse_address(kind, address, destination.outgoing.private_hosts)
    try:
        with transaction.atomic(using=CONTROL_ALIAS):
            sink.save(force_insert=True)
            _tell(
                actor,
                sink,
                Tag.SINK_ADD,
                {
                    "kind": sink.kind,
                    "to": named_host(target),
                    "location": location,
                    "index": first,
                },
            )
    except IntegrityError:
        raise Conflict(f"There is a sink {name!r} already. Choose another name, or remove it first.") from None
    return sink.id, made


def pause_sink(actor: Actor, sink_id: UUID) -> None:
    """Stops shipping to a sink after the batch under way. Its cursor stays."""
    with transaction.atomic(using=CONTROL_ALIAS):
        sink = _changing(sink_id)
        Sink.objects.filter(id=sink.id).update(paused=True)
        _tell(actor, sink, Tag.SINK_PAUSE, {"index": sink.next_index})


def resume_sink(actor: Actor, sink_id: UUID) -> None:
    """Ships again, at once, from where the sink stopped; also ends the wait after a failure."""
    with transaction.atomic(using=CONTROL_ALIAS):
        sink = _changing(sink_id)
        Sink.objects.filter(id=sink.id).update(paused=False, retry_at=None, rejected_in_a_row=0)
        _tell(actor, sink, Tag.SINK_RESUME, {"index": sink.next_index})


def replay_sink(actor: Actor, sink_id: UUID, first: int) -> None:
    """Ships again from index `first` on. Raises `Invalid` for an index ahead of the cursor: a sink skips nothing."""
    with transaction.atomic(using=CONTROL_ALIAS):
        sink = _changing(sink_id)
        if not 0 <= first <= sink.next_index:
            raise Invalid(
                f"This sink has acknowledged what is before {sink.next_index}: replay from an index up to that. "
                "To leave entries out, add another sink that begins later."
            )
        Sink.objects.filter(id=sink.id).update(next_index=first, retry_at=None)
        _tell(actor, sink, Tag.SINK_REPLAY, {"index": first, "acknowledged": sink.next_index})


def remove_sink(actor: Actor, sink_id: UUID) -> None:
    """Removes a sink with its cursor, its secret and its dead letters. What was shipped stays where it is."""
    with transaction.atomic(using=CONTROL_ALIAS):
        sink = _changing(sink_id)
        told: dict[str, str | int] = {
            "index": sink.next_index,
            "dead_letters": sink.dead_letters.count(),
            "location": sink.location,
        }
        _tell(actor, sink, Tag.SINK_REMOVE, told)
        sink.delete()


def forget_sinks(customer_id: UUID) -> None:
    """Removes every sink of a customer that is being closed, with its secrets."""
    Sink.objects.filter(customer_id=customer_id).delete()


def _require_secret(kind: SinkKind, secret: str) -> None:
    if kind is SinkKind.SYSLOG and secret:
        raise Invalid("Syslog takes no token; leave the secret out.")
    if kind is SinkKind.LINES and not secret:
        raise Invalid("Lines begin with the token that the receiver gave you; name a file that holds it.")
    if secret and not _SECRET.fullmatch(secret):
        raise Invalid("A token or key has up to 200 visible ASCII characters in one line.")
    if kind is SinkKind.NDJSON and len(secret) < _SHORTEST_KEY:
        raise Invalid(f"A key has at least {_SHORTEST_KEY} characters; leave it out and one is made.")


def _changing(sink_id: UUID) -> Sink:
    sink = Sink.objects.select_for_update().filter(id=sink_id).first()
    if sink is None:
        raise NotFound("There is no such sink.")
    return sink


def _tell(actor: Actor, sink: Sink, tag: Tag, details: dict[str, str | int]) -> None:
    record_control(actor, tag, customer_id=sink.customer_id, object_kind="sink", object_id=sink.id, details=details)
