"""Items on the wire, as pure functions: RFC 5424 in RFC 5425 frames, lines with a token, OTLP's JSON, signed NDJSON."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from misentinel.trail.ocsf import Severity
from misentinel.trail.shipping.contracts import Destination, Item

_LOG_AUDIT = 13  # RFC 5424, section 6.2.1: facility
_SYSLOG_SEVERITY = {
    Severity.INFORMATIONAL: 6, Severity.LOW: 5, Severity.MEDIUM: 4, Severity.HIGH: 3,
}  # fmt: skip
_OTLP_SEVERITY = {
    Severity.INFORMATIONAL: 9, Severity.LOW: 10, Severity.MEDIUM: 13, Severity.HIGH: 17,
}  # fmt: skip
_LARGEST_SEQUENCE = 2147483647  # RFC 5424, section 7.3.1
_MESSAGE_ID = 32  # RFC 5424, section 6.2.7: characters
_LINE_SEPARATOR = "\u2028"  # what Rapid7's own client puts for a line break inside a message
SCOPE = "misentinel.trail"


def syslog_frame(destination: Destination, item: Item) -> bytes:
    """One message of RFC 5424 in the octet-counted frame of RFC 5425, section 4.3.

    The message is ASCII, so it has no byte order mark; `meta sequenceId` is the index plus one, as it begins with 1.
    """
    priority = _LOG_AUDIT * 8 + _SYSLOG_SEVERITY[Severity(item.severity)]
    sequence = item.index % _LARGEST_SEQUENCE + 1
    head = f"<{priority}>1 {_rfc3339(item.at)} {destination.host} misentinel - {item.tag[:_MESSAGE_ID]}"
    message = f'{head} [meta sequenceId="{sequence}"] {item.body}'.encode("ascii")
    return b"%d %s" % (len(message), message)


def token_line(destination: Destination, item: Item) -> bytes:
    """The token, the message and a line feed, as Logentries (Rapid7 Insight) takes them: no space between."""
    told = item.body.replace("\n", _LINE_SEPARATOR)
    return f"{destination.secret}{told}\n".encode()


def otlp_request(destination: Destination, items: Sequence[Item]) -> bytes:
    """An `ExportLogsServiceRequest` in OTLP's JSON encoding (OTLP 1.x, section OTLP/HTTP)."""
    resource = {"service.name": "misentinel", "host.name": destination.host, "misentinel.log": destination.log}
    logs = {"scope": {"name": SCOPE}, "logRecords": [_log_record(item) for item in items]}
    request = {"resourceLogs": [{"resource": {"attributes": _attributes(resource)}, "scopeLogs": [logs]}]}
    return json.dumps(request, separators=(",", ":")).encode()


def ndjson_body(items: Sequence[Item]) -> bytes:
    return "".join(f"{item.body}\n" for item in items).encode()


def signature(secret: str, at: datetime, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA-256 under the sink's key over the seconds, a dot and the body."""
    seconds = int(at.timestamp())
    signed = hmac.new(secret.encode(), b"%d.%s" % (seconds, body), sha256).hexdigest()
    return f"t={seconds},v1={signed}"


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _log_record(item: Item) -> dict[str, Any]:
    severity = Severity(item.severity)
    nanoseconds = str(round(item.at.timestamp() * 1_000_000) * 1000)
    return {
        "timeUnixNano": nanoseconds,
        "observedTimeUnixNano": nanoseconds,
        "severityNumber": _OTLP_SEVERITY[severity],
        "severityText": severity.name,
        "body": {"stringValue": item.body},
        "attributes": _attributes(
            {"event.name": item.tag, "log.record.uid": str(item.entry_id), "misentinel.index": item.index}
        ),
    }


def _attributes(given: Mapping[str, str | int]) -> list[dict[str, Any]]:
    """Whole numbers of 64 bits are strings in this encoding."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in given.items()
    ]
