"""Opening a sink for one sending: its secret, and which hosts it may lead to.

What the operator set at the command line may lead to a private address, as `outgoing_private_hosts` would allow it;
what a customer set reaches the public internet alone, like any URL that a user sets.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from misentinel.kernel import settings
from misentinel.kernel.outgoing import Outgoing
from misentinel.trail.contracts import Log
from misentinel.trail.models import Sink
from misentinel.trail.shipping.contracts import Destination, SinkKind
from misentinel.trail.shipping.sending import named_host, parse_address
from misentinel.vault.queries import open_secret, seal_secret

_PURPOSE = "sink"


def seal_sink_secret(sink: Sink, secret: str) -> bytes:
    """Returns the token or key as it is kept, bound to this sink."""
    return seal_secret(_PURPOSE, secret.encode(), str(sink.id))


def open_destination(sink: Sink, log: Log) -> Destination:
    secret = "" if sink.secret is None else open_secret(_PURPOSE, sink.secret, str(sink.id)).decode()
    kind = SinkKind(sink.kind)
    return Destination(sink.id, kind, sink.address, secret, _outgoing(sink, kind), _host(), log.origin, sink.plain_end)


def _outgoing(sink: Sink, kind: SinkKind) -> Outgoing:
    found = Outgoing.from_settings()
    if not sink.by_operator:
        return found
    target = parse_address(kind, sink.address, _everything_named(sink.address))
    return replace(found, private_hosts=found.private_hosts | {named_host(target)})


def _everything_named(address: str) -> frozenset[str]:
    """A name of one label is a host where the operator names it."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return frozenset({f"{host}:{parts.port or 443}"})
    except ValueError:
        return frozenset()  # it is no address, as `parse_address` will say


def _host() -> str:
    return urlsplit(settings.load().base_url).hostname or "-"
