"""rsyslog, as Debian ships it, takes our syslog over TLS: every entry, in order, with its fields where RFC 5424 has
them, and acknowledges the end as RFC 5425 asks. Skipped where it is not installed; `make audit` then says unknown.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from misentinel.kernel import settings
from misentinel.kernel.clock import held, in_future
from misentinel.site.serving.authority import ensure_certificate
from misentinel.trail.queries import log_of
from misentinel.trail.shipping.contracts import SinkKind
from misentinel.trail.shipping.queries import get_sink
from misentinel.trail.shipping.running import ship
from misentinel.trail.shipping.tests.ground import connect, sealed, tell, told

RSYSLOG = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
DRIVERS = [name for name in ("gtls", "ossl") if list(Path("/usr/lib").glob(f"*/rsyslog/lmnsd_{name}.so"))]
CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="{driver}"
    defaultNetstreamDriverCAFile="{authority}" defaultNetstreamDriverCertFile="{chain}"
    defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="fields" type="string"
    string="%syslogfacility-text%|%syslogseverity-text%|%app-name%|%msgid%|%structured-data%|%msg%\\n")
action(type="omfile" file="{folder}/received" template="fields")
"""
pytestmark = [
    pytest.mark.strangers,
    pytest.mark.skipif(not RSYSLOG or not DRIVERS, reason="rsyslog with TLS is not installed (apt: rsyslog-gnutls)"),
]


@dataclass(frozen=True)
class Running:
    """An rsyslog of this test's own."""

    port: int
    file: Path

    def lines(self, wanted: int) -> list[str]:
        """What it has written, once there are `wanted` lines or five seconds are over."""
        for _ in range(100):
            found = self.file.read_text().splitlines() if self.file.exists() else []
            if len(found) >= wanted:
                break
            time.sleep(0.05)
        return found


@contextmanager
def rsyslog(folder: Path, driver: str, port: int = 0) -> Iterator[Running]:
    certificate = ensure_certificate(settings.load())
    folder.mkdir(exist_ok=True)
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    configuration = folder / "rsyslog.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            driver=driver,
            port=port,
            authority=certificate.authority,
            chain=certificate.chain,
            key=certificate.key,
        )
    )
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [RSYSLOG, "-n", "-f", str(configuration), "-i", str(folder / "pid")], stdout=log, stderr=log
    )
    try:
        _wait(port, process, folder / "log")
        yield Running(port, folder / "received")
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture
def log(acme, monkeypatch):
    monkeypatch.setenv("MISENTINEL_OUTGOING_AUTHORITY", str(ensure_certificate(settings.load()).authority))
    tell(acme, 50)
    return log_of(acme)


@pytest.mark.parametrize("driver", DRIVERS)
def test_rsyslog_takes_every_entry_over_tls_and_in_order(log, tmp_path, driver) -> None:
    with rsyslog(tmp_path, driver) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port, plain_end=driver == "gtls")
        done = ship(sink, at_once=7)
        assert done.entries == len(sealed(log)), get_sink(log.customer_id, "syslog").last_error
        lines = [line.split("|", 5) for line in receiver.lines(len(sealed(log)))]
    assert [told(json.loads(message)) for *_, message in lines] == sealed(log)
    assert {tuple(line[:3]) for line in lines} == {("audit", "info", "misentinel")}
    assert [line[4] for line in lines] == [f'[meta sequenceId="{index + 1}"]' for index, _ in sealed(log)]
    assert {line[3] for line in lines} >= {"person:view"}


@pytest.mark.skipif("gtls" not in DRIVERS, reason="rsyslog-gnutls is not installed")
def test_rsyslog_with_gnutls_proves_nothing_by_its_end_and_the_sink_says_so(log, tmp_path) -> None:
    with rsyslog(tmp_path, "gtls") as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port)
        assert ship(sink).entries == 0
    assert "close_notify" in get_sink(log.customer_id, "syslog").last_error


def test_rsyslog_stopped_and_started_again_misses_nothing(acme, log, tmp_path) -> None:
    with rsyslog(tmp_path, DRIVERS[-1]) as receiver:
        sink, _ = connect(log, SinkKind.SYSLOG, receiver.port, plain_end=DRIVERS[-1] == "gtls")
        ship(sink)
        port = receiver.port
    tell(acme, 30)
    assert ship(sink).retry_at is not None, "it is not there"
    with rsyslog(tmp_path, DRIVERS[-1], port) as receiver, held(in_future(minutes=1)):
        ship(sink)
        lines = [line.split("|", 5) for line in receiver.lines(len(sealed(log)))]
    assert list(dict.fromkeys(told(json.loads(message)) for *_, message in lines)) == sealed(log)
