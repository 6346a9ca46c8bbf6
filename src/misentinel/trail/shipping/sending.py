"""Handing items to a sink, and what counts as its acknowledgement. All of it over TLS, with the name verified.

A stream has no answer of its own: there it is the other side's close_notify in answer to ours (RFC 5425, section 4.4),
which it can only send after it has read all that came before. Nobody on the way can forge that, as they could a plain
end of the connection, which is taken for an acknowledgement only where whoever set the sink said so, and from receivers
of token lines, whom no standard asks for more. OTLP and NDJSON answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid
from misentinel.kernel.outgoing import Answer, Target, parse_url
from misentinel.trail.shipping import formats
from misentinel.trail.shipping.contracts import Destination, Item, NotTaken, Rejected, SinkKind

SECONDS = 10.0
_LATER = {401, 403, 404, 408, 425, 429}
"""Refusals that somebody will mend: a wrong token, a sink that is not there yet, too much at once."""
_LARGEST_LINE = 65_536  # octets, the longest that Rapid7 keeps in one piece
_LONGEST_RETRY_AFTER = 600


def send(destination: Destination, items: Sequence[Item]) -> int:
    """Sends the items, in order, and returns how many of them, from the first on, were acknowledged: one at least.

    Raises `NotTaken` or another `Unavailable` if none was and trying later may help, `Rejected` if it never will.
    """
    return _SENDERS[destination.kind](destination, items)


def parse_address(kind: SinkKind, address: str, private_hosts: frozenset[str] = frozenset()) -> Target:
    """Returns where a sink's address leads: `host:port` for streams, an HTTPS URL for the others. Raises `Invalid`."""
    if kind in (SinkKind.SYSLOG, SinkKind.LINES):
        if "/" in address or not _names_port(address):
            raise Invalid("The address must be HOST:PORT, like logs.example.com:6514.")
        address = f"https://{address}/"
    return parse_url(address, private_hosts)


def named_host(target: Target) -> str:
    """How `Outgoing.private_hosts` spells a host and port."""
    return f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"


def _names_port(address: str) -> bool:
    try:
        return urlsplit(f"//{address}").port is not None
    except ValueError:
        return False


def _send_syslog(destination: Destination, items: Sequence[Item]) -> int:
    return _stream(destination, items, formats.syslog_frame)


def _send_lines(destination: Destination, items: Sequence[Item]) -> int:
    return _stream(destination, items, formats.token_line)


def _stream(destination: Destination, items: Sequence[Item], form: Callable[[Destination, Item], bytes]) -> int:
    lines = [form(destination, item) for item in items]
    if max(map(len, lines)) > _LARGEST_LINE:
        raise Rejected(f"It is longer than {_LARGEST_LINE} octets, which receivers of lines cut.")
    target = parse_address(destination.kind, destination.address, destination.outgoing.private_hosts)
    with destination.outgoing.connected(target, SECONDS) as secured:
        secured.sendall(b"".join(lines))
        try:
            secured.unwrap()
        except ssl.SSLEOFError as error:
            if not destination.plain_end:
                raise NotTaken(
                    f"{target.host} ended the connection without close_notify, which RFC 5425 asks for and which "
                    "alone proves that everything arrived. Have it answer, or set the sink with a plain end."
                ) from error
    return len(items)


def _send_otlp(destination: Destination, items: Sequence[Item]) -> int:
    headers = {"content-type": "application/json"}
    if destination.secret:
        headers["authorization"] = f"Bearer {destination.secret}"
    answer = _post(destination, formats.otlp_request(destination, items), headers)
    told = answer.json() if answer.body else {}
    partial = told.get("partialSuccess") if isinstance(told, dict) else None
    if isinstance(partial, dict) and str(partial.get("rejectedLogRecords", 0)) != "0":
        raise Rejected(f"The sink rejected it: {_printable(partial.get('errorMessage', ''))}")
    return len(items)


def _printable(told: object) -> str:
    """What the other side says, without what would steer a terminal or not fit in a column."""
    return "".join(character if character.isprintable() else " " for character in str(told))[:200]


def _send_ndjson(destination: Destination, items: Sequence[Item]) -> int:
    body, last = formats.ndjson_body(items), items[-1].index
    headers = {
        "content-type": "application/x-ndjson",
        "x-misentinel-signature": formats.signature(destination.secret, now(), body),
        "x-misentinel-log": destination.log,
        "x-misentinel-first": str(items[0].index),
        "x-misentinel-last": str(last),
    }
    told = _post(destination, body, headers).json()
    acknowledged = told.get("acknowledged") if isinstance(told, dict) else None
    if not isinstance(acknowledged, int) or isinstance(acknowledged, bool) or acknowledged > last:
        raise NotTaken('The sink must answer {"acknowledged": INDEX} with an index that it was sent.')
    if acknowledged < items[0].index:  # an earlier acknowledgement once more: it moves nothing
        raise NotTaken(f"The sink acknowledged up to {acknowledged} once more, and nothing of what it was sent.")
    return sum(item.index <= acknowledged for item in items)


def _post(destination: Destination, body: bytes, headers: dict[str, str]) -> Answer:
    """Returns an answer with status 2xx; raises for any other."""
    answer = destination.outgoing.fetch(destination.address, method="POST", headers=headers, body=body, seconds=SECONDS)
    if 200 <= answer.status < 300:
        return answer
    told = f"The sink answered with status {answer.status}."
    if answer.status in _LATER or not 400 <= answer.status < 500:
        raise NotTaken(told, _retry_after(answer))
    raise Rejected(told)


def _retry_after(answer: Answer) -> float:
    given = answer.headers.get("retry-after", "")
    return float(min(int(given), _LONGEST_RETRY_AFTER)) if given.isascii() and given.isdigit() else 0.0


_SENDERS: dict[SinkKind, Callable[[Destination, Sequence[Item]], int]] = {
    SinkKind.SYSLOG: _send_syslog, SinkKind.LINES: _send_lines, SinkKind.OTLP: _send_otlp,
    SinkKind.NDJSON: _send_ndjson,
}  # fmt: skip
