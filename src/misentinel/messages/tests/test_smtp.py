"""SMTP: what reaches a real server, and what each way of failing is taken for."""

from __future__ import annotations

import ssl
import subprocess
from collections import Counter

import pytest
from aiosmtpd.smtp import AuthResult

from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.ids import new_id
from misentinel.messages.channels import lane as lane_module
from misentinel.messages.channels import smtp as smtp_module
from misentinel.messages.channels.server import Server, Tls
from misentinel.messages.channels.smtp import SmtpChannel
from misentinel.messages.contracts import Fate, Prepared
from misentinel.messages.ports import ChannelDown
from misentinel.messages.tests.sinks import Inbox, Memory, Scripted, mail_server

BODY = b"Subject: s\r\n\r\n.one\r\n..two\r\nthree\r\n"


def letters(count):
    return [
        Prepared(new_id(), new_id(), "hello@acme.example.com", f"p{i}@example.com", b"X-N: %d\r\n" % i + BODY)
        for i in range(count)
    ]


def send(port, messages, connections=2, **options):
    ledger = Memory(connections, **options)
    SmtpChannel(Server("127.0.0.1", port, Tls.NONE), connections).send(messages, ledger)
    return ledger


def fates(ledger):
    return Counter(outcome.fate for outcome in ledger.results.values())


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_real_server_receives_every_message_once_and_unchanged(pipelining):
    inbox, messages = Inbox(pipelining), letters(60)
    with mail_server(inbox) as port:
        ledger = send(port, messages, connections=3)
    assert fates(ledger) == {Fate.ACCEPTED: 60}
    assert inbox.received() == {message.recipient: 1 for message in messages}
    by_recipient = {recipients[0]: content for _, recipients, content in inbox.messages}
    assert all(by_recipient[message.recipient] == message.data for message in messages)
    assert {sender for sender, _, _ in inbox.messages} == {"hello@acme.example.com"}


def test_connections_persist_and_are_no_more_than_allowed():
    with Scripted(lambda n: "") as server:
        ledger = send(server.port, letters(100), connections=4)
        assert server.connections == 4
    assert fates(ledger) == {Fate.ACCEPTED: 100}
    assert ledger.most <= 4


def test_a_single_message_opens_a_single_connection():
    with Scripted(lambda n: "") as server:
        send(server.port, letters(1), connections=4)
        assert server.connections == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("fault", "fate", "code"),
    [
        ("refuse-mail", Fate.REFUSED, 550),
        ("refuse-rcpt", Fate.REFUSED, 550),
        ("accept-data-without-recipient", Fate.REFUSED, 550),
        ("refuse-data", Fate.DEFERRED, 451),
        ("4xx", Fate.DEFERRED, 452),
        ("5xx", Fate.REFUSED, 554),
        ("drop-after-dot", Fate.DOUBTFUL, 0),
    ],
)
def test_each_fault_has_its_fate_and_harms_no_other_message(pipelining, fault, fate, code):
    messages = letters(12)
    with Scripted(lambda n: fault if n in (0, 5) else "", pipelining) as server:
        ledger = send(server.port, messages, connections=1)
    assert fates(ledger) == {Fate.ACCEPTED: 10, fate: 2}
    assert {outcome.code for outcome in ledger.results.values()} == {250, code}
    accepted = {m.recipient for m in messages if ledger.results[m.id].fate is Fate.ACCEPTED}
    assert Counter(recipient for recipient, _ in server.received) == dict.fromkeys(accepted, 1)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("fault", ["421", "drop-rcpt"])
def test_an_envelope_that_breaks_goes_again_on_another_connection(pipelining, fault):
    with Scripted(lambda n: fault if n and n % 4 == 0 else "", pipelining) as server:
        ledger = send(server.port, letters(20), connections=2)
    assert fates(ledger) == {Fate.ACCEPTED: 20}
    assert max(Counter(recipient for recipient, _ in server.received).values()) == 1


def test_a_connection_that_breaks_within_the_content_is_never_taken_for_delivered():
    messages = letters(6)
    big = Prepared(
        new_id(), new_id(), "a@example.com", "big@example.com", b"Subject: s\r\n\r\n" + b"x" * 76 * 1000 * 1000
    )
    with Scripted(lambda n: "drop-in-data" if n == 0 else "") as server:
        ledger = send(server.port, [big, *messages], connections=1)
    assert ledger.results[big.id].fate is Fate.UNSENT
    assert fates(ledger) == {Fate.ACCEPTED: 6, Fate.UNSENT: 1}


def test_a_server_that_stalls_is_left_and_the_message_is_in_doubt(monkeypatch):
    monkeypatch.setattr(lane_module, "DOT_SECONDS", 0.2)
    monkeypatch.setattr(smtp_module, "BEAT_SECONDS", 0.1)
    messages = letters(8)
    with Scripted(lambda n: "stall" if n == 2 else "") as server:
        ledger = send(server.port, messages, connections=2)
    assert fates(ledger) == {Fate.ACCEPTED: 7, Fate.DOUBTFUL: 1}


def test_a_message_that_may_not_start_is_not_sent():
    messages = letters(10)
    with Scripted(lambda n: "") as server:
        ledger = send(server.port, messages, connections=2, forbidden={messages[0].id, messages[7].id})
    assert fates(ledger) == {Fate.ACCEPTED: 8}
    got = {recipient for recipient, _ in server.received}
    assert got == {m.recipient for m in messages} - {"p0@example.com", "p7@example.com"}


def test_a_server_that_only_hangs_up_is_not_tried_for_ever():
    with Scripted(lambda n: "421") as server:
        with pytest.raises(ChannelDown):
            send(server.port, letters(5), connections=2)
        assert server.connections < 12


@pytest.mark.parametrize("greeting", ["554 go away", "421 too many", "hello?"])
def test_a_server_that_does_not_greet_is_down(greeting):
    with Scripted(lambda n: "", greeting=greeting) as server, pytest.raises(ChannelDown):
        send(server.port, letters(1))


def test_nobody_listening_is_down():
    with Scripted(lambda n: "") as server:
        port = server.port
    with pytest.raises(ChannelDown, match="refused"):
        send(port, letters(1))


def test_a_failing_source_leaves_nothing_half_told():
    def source():
        yield from letters(7)
        raise RuntimeError("the source broke")

    ledger = Memory(2)
    with Scripted(lambda n: "") as server, pytest.raises(RuntimeError):
        SmtpChannel(Server("127.0.0.1", server.port, Tls.NONE), 2).send(source(), ledger)
    assert not ledger.begun
    assert fates(ledger) == {Fate.ACCEPTED: 7}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"acme", b"s3cret"), handled=False)


def secured(certificate, **changes):
    options = {"user": "acme", "password": "s3cret", "ca": str(certificate[0]), "host": "localhost"}
    return {**options, **changes}


@pytest.mark.parametrize("pipelining", [True, False])
def test_starttls_and_sign_in_carry_messages(certificate, pipelining):
    inbox = Inbox(pipelining)
    options = {"tls_context": certificate[1], "require_starttls": True, "authenticator": authenticate}
    with mail_server(inbox, auth_required=True, **options) as port:
        ledger = Memory(2)
        server = Server(port=port, tls=Tls.STARTTLS, **secured(certificate))
        SmtpChannel(server, 2).send(letters(20), ledger)
    assert fates(ledger) == {Fate.ACCEPTED: 20}
    assert max(inbox.received().values()) == 1 and len(inbox.messages) == 20


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": "wrong"}, "does not accept user and password"),
        ({"ca": ""}, "certificate does not verify"),
        ({"host": "127.0.0.1"}, "certificate does not verify"),
    ],
)
def test_a_wrong_password_or_certificate_stops_before_anything_is_said(certificate, change, reason):
    inbox = Inbox()
    options = {"tls_context": certificate[1], "require_starttls": True, "authenticator": authenticate}
    with mail_server(inbox, auth_required=True, **options) as port:
        server = Server(port=port, tls=Tls.STARTTLS, **secured(certificate, **change))
        with pytest.raises(ChannelDown, match=reason) as raised:
            SmtpChannel(server, 1).send(letters(1), Memory(1))
    assert not inbox.messages
    assert "s3cret" not in str(raised.value) and "wrong" not in str(raised.value)


def test_a_server_without_tls_gets_nothing_when_tls_was_asked_for():
    with Scripted(lambda n: "") as server, pytest.raises(ChannelDown):
        SmtpChannel(Server("127.0.0.1", server.port, Tls.STARTTLS), 1).send(letters(1), Memory(1))
    assert not server.received


def test_a_url_names_server_tls_and_credentials():
    server = Server.parse("smtp://acme%40x:p%3Fw@mail.example.com")
    assert (server.host, server.port, server.tls) == ("mail.example.com", 587, Tls.STARTTLS)
    assert (server.user, server.password) == ("acme@x", "p?w")
    assert "p?w" not in repr(server)
    assert Server.parse("smtp://mail.example.com:465").tls is Tls.IMPLICIT
    assert Server.parse("smtp://127.0.0.1:25?tls=none").tls is Tls.NONE


@pytest.mark.parametrize(
    "url",
    ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://h:99999", "smtp://h?tls=maybe",
     "smtp://h?verify=no", "smtp://u:hunter2@mail.example.com?tls=none", "smtp://mail.example.com?tls=none",
     "smtp://10.0.0.9:25?tls=none", "smtp://localhost.example.com:25?tls=none"],
)  # fmt: skip
def test_a_url_that_is_mistaken_is_refused_without_repeating_the_password(url):
    with pytest.raises(Misconfigured) as raised:
        Server.parse(url)
    assert "hunter2" not in raised.value.message
