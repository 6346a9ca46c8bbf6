"""What is sealed reaches its sinks: in order, at least once, over verified TLS, each in its own format."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import socket
import threading

import pytest
import r7insight
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Conflict, Invalid
from misentinel.kernel.ids import new_id
from misentinel.kernel.outgoing import NotReachable
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.models import Sink
from misentinel.trail.queries import list_entries
from misentinel.trail.shipping import formats
from misentinel.trail.shipping.actions import add_sink, remove_sink
from misentinel.trail.shipping.contracts import Destination, Item, SinkKind
from misentinel.trail.shipping.queries import get_sink, list_dead_letters, list_sinks
from misentinel.trail.shipping.reading import read_items
from misentinel.trail.shipping.running import ship
from misentinel.trail.shipping.tests.ground import OLGA, connect, sealed, told
from misentinel.trail.shipping.tests.receivers import acknowledging, frames, requests, streams

TOKEN = "00112233-4455-6677-8899-aabbccddeeff"


def test_syslog_gets_every_entry_in_frames_of_rfc_5425(log, certificate) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        assert ship(sink, at_once=7).entries == len(sealed(log))
    messages = [message.decode("ascii") for message in frames(receiver.data)]
    head = re.compile(
        r'<1(0\d|1\d)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z localhost misentinel - [a-z_:]{1,32} '
        r'\[meta sequenceId="(\d+)"\] (\{.*\})'
    )  # fmt: skip
    found = [head.fullmatch(message) for message in messages]
    assert all(found)
    assert [told(json.loads(match[3])) for match in found] == sealed(log)
    assert [int(match[2]) for match in found] == [index + 1 for index, _ in sealed(log)]


def test_lines_begin_with_the_token_and_a_plain_end_will_do(log, certificate) -> None:
    with streams(certificate) as receiver:
        receiver.behaviour = "close"
        sink, _ = connect(log, SinkKind.LINES, receiver.port, secret=TOKEN)
        assert ship(sink).entries == len(sealed(log))
    lines = receiver.data.decode().splitlines()
    assert [told(json.loads(line.removeprefix(TOKEN))) for line in lines] == sealed(log)


def test_a_line_is_byte_for_byte_what_rapid7s_own_client_sends(log, monkeypatch) -> None:
    item = read_items(log, 0, 1, personal=True)[0]
    for body in (item.body, "two\nlines", "\u00e9"):
        item = Item(item.index, item.entry_id, item.at, item.tag, item.severity, body)
        ours = formats.token_line(Destination(new_id(), SinkKind.LINES, "", TOKEN, None, "", ""), item)
        assert ours == sent_by_rapid7(body, len(ours))


def sent_by_rapid7(message: str, size: int) -> bytes:
    """What `R7InsightHandler` writes to its socket for one record."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        handler = r7insight.R7InsightHandler(
            TOKEN, "eu", use_tls=False, verbose=False, format=logging.Formatter("%(message)s"), le_data="127.0.0.1",
            le_port=port,
        )  # fmt: skip
        handler.emit(logging.LogRecord("trail", logging.INFO, "", 0, message, None, None))
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            got = b""
            while len(got) < size and (data := connection.recv(65536)):
                got += data
            return got


def test_otlp_is_read_by_the_projects_own_messages(log, certificate) -> None:
    taken: list[ExportLogsServiceRequest] = []

    def collector(path: str, headers: dict[str, str], body: bytes):
        assert (path, headers["content-type"]) == ("/v1/logs", "application/json")
        assert headers["authorization"] == f"Bearer {TOKEN}"
        taken.append(json_format.Parse(body, ExportLogsServiceRequest()))
        return 200, json_format.MessageToJson(ExportLogsServiceResponse()).encode()

    with requests(certificate, collector) as receiver:
        sink, _ = connect(log, SinkKind.OTLP, receiver.port, secret=TOKEN)
        assert ship(sink, at_once=8).entries == len(sealed(log))
    records = [
        record for request in taken for resource in request.resource_logs for scope in resource.scope_logs
        for record in scope.log_records
    ]  # fmt: skip
    assert [told(json.loads(record.body.string_value)) for record in records] == sealed(log)
    attributes = [{each.key: each.value for each in record.attributes} for record in records]
    assert [(a["misentinel.index"].int_value, a["log.record.uid"].string_value) for a in attributes] == sealed(log)
    assert all(record.time_unix_nano > 1_700_000_000 * 10**9 and record.severity_number for record in records)


def test_what_a_collector_rejects_in_part_becomes_a_dead_letter(log, certificate) -> None:
    bad = sealed(log)[5][1]
    odd = "too odd \x1b[2J\0"

    def collector(path: str, headers: dict[str, str], body: bytes):
        answer = ExportLogsServiceResponse()
        if bad.encode() in body:
            answer.partial_success.CopyFrom(ExportLogsPartialSuccess(rejected_log_records=1, error_message=odd))
        return 200, json_format.MessageToJson(answer).encode()

    with requests(certificate, collector) as receiver:
        sink, _ = connect(log, SinkKind.OTLP, receiver.port)
        ship(sink)
    view = get_sink(log.customer_id, "otlp")
    assert (view.next_index, view.dead_letters) == (len(sealed(log)), 1)
    assert list_dead_letters(sink)[0].reason == "The sink rejected it: too odd  [2J ", "it steers nobody's terminal"


def test_ndjson_is_signed_and_moves_by_what_is_acknowledged(log, certificate) -> None:
    with requests(certificate, acknowledging) as receiver:
        sink, key = connect(log, SinkKind.NDJSON, receiver.port)
        assert ship(sink, at_once=6).entries == len(sealed(log))
    assert [told(line) for line in receiver.lines] == sealed(log)
    for headers, body in receiver.received:
        seconds, signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["x-misentinel-signature"]).groups()
        expected = hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signature, expected)
        assert not hmac.compare_digest(hmac.new(key.encode(), body + b" ", hashlib.sha256).hexdigest(), signature)


def test_every_format_carries_the_index_and_the_entrys_id(log) -> None:
    destination = Destination(new_id(), SinkKind.SYSLOG, "", TOKEN, None, "host", "log")
    item = read_items(log, 3, 1, personal=True)[0]
    for data in (
        formats.syslog_frame(destination, item), formats.token_line(destination, item),
        formats.otlp_request(destination, [item]), formats.ndjson_body([item]),
    ):  # fmt: skip
        assert str(item.entry_id).encode() in data and re.search(rb'\\?"log_index\\?":3\b', data)


def test_a_certificate_that_proves_nothing_gets_nothing(log, certificate, monkeypatch) -> None:
    with streams(certificate) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        monkeypatch.delenv("MISENTINEL_OUTGOING_AUTHORITY")
        assert ship(sink).entries == 0
    assert receiver.received == []
    assert "certificate" in get_sink(log.customer_id, "syslog").last_error


def test_what_a_customer_sets_reaches_no_private_address_and_what_the_operator_sets_does(log, certificate) -> None:
    with streams(certificate) as receiver:
        address = f"localhost:{receiver.port}"
        wanted = {"kind": SinkKind.SYSLOG, "address": address, "location": "GB"}
        asha = system("test")
        with pytest.raises(NotReachable):
            add_sink(asha, log, name="theirs", **wanted)
        sink, _ = add_sink(asha, log, name="theirs", **wanted | {"address": f"127.0.0.1:{receiver.port}"})
        assert ship(sink).retry_at and receiver.received == []
        assert "public" in get_sink(log.customer_id, "theirs").last_error
        sink, _ = add_sink(OLGA, log, name="ours", **wanted)
        assert ship(sink).entries == len(sealed(log))
        Sink.objects.filter(id=sink).update(address="169.254.169.254:80", next_index=0)
        assert ship(sink).retry_at, "the metadata service of a cloud is reached by nobody"


def test_wrong_sinks_are_refused_in_a_sentence(log) -> None:
    right = {"name": "s", "kind": SinkKind.SYSLOG, "address": "logs.example.com:6514", "location": "GB"}
    for wrong in (
        {"name": "S!"}, {"location": "UK"}, {"location": "gb"}, {"location": ""}, {"address": "logs.example.com"},
        {"address": "https://logs.example.com/"}, {"address": "logs.example.com:99999"}, {"secret": "token"},
        {"first": 10**6}, {"first": -1}, {"kind": SinkKind.LINES}, {"kind": SinkKind.NDJSON},
        {"kind": SinkKind.OTLP, "address": "http://logs.example.com/"},
        {"kind": SinkKind.NDJSON, "address": "https://logs.example.com/", "secret": "short"},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            add_sink(OLGA, log, **right | wrong)
    add_sink(OLGA, log, **right)
    with pytest.raises(Conflict):
        add_sink(OLGA, log, **right)


def test_a_secret_is_kept_sealed_and_goes_with_the_sink(log) -> None:
    address = "https://logs.example.com/trail"
    sink, key = add_sink(OLGA, log, name="s", kind=SinkKind.NDJSON, address=address, location="GB")
    assert len(key) >= 40 and key.encode() not in bytes(Sink.objects.get(id=sink).secret)
    remove_sink(OLGA, sink)
    assert list_sinks(log.customer_id) == []


def test_setting_a_sink_is_on_the_customers_trail(acme, log) -> None:
    sink, _ = connect(log, SinkKind.SYSLOG, 6514)
    remove_sink(OLGA, sink)
    entries = list_entries(acme, EntryFilter(object_id=str(sink))).entries
    assert [(entry.tag, entry.actor_id) for entry in entries] == [("sink:remove", "olga"), ("sink:add", "olga")]
    assert entries[1].details == {"kind": "syslog", "to": "localhost:6514", "location": "GB", "index": 0}


def test_one_process_at_a_time_ships_to_a_sink(log, certificate) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def waiting(path: str, headers: dict[str, str], body: bytes):
        arrived.set()
        go_on.wait(5)
        return acknowledging(path, headers, body)

    with requests(certificate, waiting) as receiver:
        sink, _ = connect(log, SinkKind.NDJSON, receiver.port)
        first = threading.Thread(target=in_a_thread, args=[sink])
        first.start()
        assert arrived.wait(5)
        assert ship(sink).entries == 0, "somebody else is at it"
        go_on.set()
        first.join(10)
    assert [told(line) for line in receiver.lines] == sealed(log)


def in_a_thread(sink) -> None:
    from django.db import connections

    try:
        ship(sink)
    finally:
        connections.close_all()
