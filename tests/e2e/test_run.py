"""`misentinel run` from nothing, again, through crashes, and through what can go wrong when it starts."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from misentinel.kernel import settings as kernel_settings
from misentinel.site.serving.authority import ensure_certificate
from misentinel.site.serving.command import commands
from misentinel.site.serving.worker import HSTS
from tests.live import (
    PROGRAM,
    Live,
    free_ports,
    read_told,
    start_program,
    stop_program,
    without_settings,
)


@pytest.fixture
def alone() -> Iterator[dict[str, str]]:
    """The environment of an installation with embedded databases of its own.

    Not below pytest's own folder: each pytest that starts shuts that to others, and as root the databases run
    as another user.
    """
    https_port, http_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="ms-alone-", ignore_cleanup_errors=True) as folder:
        yield {
            **without_settings(os.environ),
            "MISENTINEL_HOME": f"{folder}/home",
            "MISENTINEL_HTTPS_PORT": str(https_port),
            "MISENTINEL_HTTP_PORT": str(http_port),
            "MISENTINEL_WEB_PROCESSES": "1",
        }


def processes_of(home: str) -> list[str]:
    """The command lines of the processes that name the home, as arguments or in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (folder / "environ").read_bytes().split(b"\0")
            if home in command or f"MISENTINEL_HOME={home}".encode() in environment:
                found.append(command)
    return found


def wait_until_nothing_is_left(home: str, seconds: float = 30) -> list[str]:
    deadline = time.monotonic() + seconds
    while processes_of(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    return processes_of(home)


def refused(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run the program, which must refuse. Returns exit code and what it said, which must be one clear sentence."""
    done = subprocess.run(
        [*PROGRAM, "run", *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    said = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, said[-1]


def test_it_serves_from_nothing_resumes_without_a_loss_and_leaves_nothing_running(alone):
    home = alone["MISENTINEL_HOME"]
    process = start_program(alone)
    first = read_told(process)
    assert first["enrolment_link"].startswith(f"{first['url']}/enrol/")
    assert first["write_key"]
    assert first["api_token"]
    root_key = (Path(home) / "root.key").read_bytes()
    assert process.poll() is None
    stop_program(process)
    assert process.returncode == 0
    assert wait_until_nothing_is_left(home) == []

    process = start_program(alone)
    again = read_told(process)
    try:
        assert again["customer_id"] == first["customer_id"]
        assert (again["write_key"], again["api_token"]) == ("", "")
        assert again["enrolment_link"] != first["enrolment_link"]
        assert (Path(home) / "root.key").read_bytes() == root_key
        listed = _command(alone, "customer", "show", "acme")
        assert first["customer_id"] in listed.stdout, listed.stderr
        told = _command(alone, "trail", "list", "--json").stdout
        assert told.count('"tag":"service:stop"') == 1
        assert told.count('"tag":"service:start"') == 2
        process.kill()  # the supervisor itself, which can then stop nobody
        process.communicate()
        assert wait_until_nothing_is_left(home) == []
    finally:
        stop_program(process)

    (Path(home) / "root.key").write_bytes(root_key[:-8] + b"01234567")
    code, said = refused(alone)
    assert code == 78, said
    assert "root key" in said.lower()
    assert wait_until_nothing_is_left(home) == []


def test_ctrl_c_while_it_starts_leaves_nothing_running(alone):
    process = start_program(alone)
    assert process.stderr.readline() == "starting the databases\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "stopped before everything ran"
    assert process.returncode == 0
    assert wait_until_nothing_is_left(alone["MISENTINEL_HOME"]) == []


def printed_commands(live: Live) -> list[str]:
    from misentinel.site.serving.demo import Demo

    settings, told = kernel_settings.load(live.environment), live.told
    made = Demo(told["customer"], told["customer_id"], told["owner"], "", live.write_key, live.api_token)
    return commands(settings, ensure_certificate(settings), made)


def test_the_commands_that_it_prints_work(live: Live):
    for command in printed_commands(live)[1:]:
        home, _, *arguments = shlex.split(command)
        assert home == f"MISENTINEL_HOME={live.home}"
        done = live.run(*arguments)
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.strangers
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_event_that_it_suggests_is_taken_from_curl(live: Live):
    done = subprocess.run(
        ["bash", "-c", f"{printed_commands(live)[0]} --silent --show-error --fail-with-body"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_plain_http_leads_to_https(live: Live):
    with socket.create_connection(("127.0.0.1", live.http_port), timeout=10) as connection:
        connection.sendall(b"GET /sign-in/ HTTP/1.1\r\nHost: evil.example.com\r\n\r\n")
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 308 ")
    assert f"Location: {live.url}/sign-in/\r\n" in answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("GET", "/sign-in/"),
        ("POST", "/v1/track"),
        ("PUT", "/v1/track"),
        ("GET", "/static/x"),
    ],
)
def test_hsts_is_on_every_answer_of_the_program(live: Live, method, path):
    connection = http.client.HTTPSConnection("localhost", live.port, timeout=20, context=live.trusting())
    connection.request(method, path, body=b"{not json" if method != "GET" else None)
    answer = connection.getresponse()
    assert answer.headers.get_all("Strict-Transport-Security") == [HSTS]
    assert answer.headers["Server"] is None
    assert answer.headers["X-Request-Id"]
    assert answer.status < 500, answer.read()
    connection.close()


def test_the_web_server_comes_back_when_it_is_killed(live: Live):
    web = next(int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _is_web_of(folder, live.process.pid))
    os.kill(web, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPSConnection("localhost", live.port, timeout=20, context=live.trusting())
            connection.request("GET", "/nowhere")
            assert connection.getresponse().status in (302, 401, 404)
            return
        time.sleep(0.2)
    pytest.fail("the web server did not come back")


def test_a_second_run_in_the_same_home_is_refused_and_harms_nothing(live: Live):
    done = live.run("run")
    assert done.returncode == 4
    assert f"already runs in {live.home} (process {live.process.pid})" in " ".join(done.stderr.split())
    assert live.process.poll() is None


def test_each_process_says_that_it_is_well_and_its_certificate_can_be_revoked_while_it_runs(live: Live):
    told = live.run("status")
    assert told.returncode == 0, told.stderr
    assert all(role in told.stdout for role in ("redirect", "worker", "web"))
    listed = live.run("certificate", "list").stdout
    serial, role = next(line.split("│")[1:3] for line in listed.splitlines() if " web " in line)
    assert role.strip() == "web"
    revoked = live.run("certificate", "revoke", serial.strip())
    assert revoked.returncode == 0, revoked.stderr
    again = live.run("status")
    assert again.returncode == 0, again.stderr
    entries = live.run("trail", "list", "--json").stdout
    for tag in ("certificate:issue", "certificate:revoke", "certificate:list", "service:view"):
        assert f'"tag":"{tag}"' in entries, tag
    assert serial.strip() in entries


def test_a_busy_port_is_named_before_anything_is_made(alone):
    with socket.create_server(("127.0.0.1", int(alone["MISENTINEL_HTTPS_PORT"]))):
        code, said = refused(alone)
    assert code == 69
    assert f"Port {alone['MISENTINEL_HTTPS_PORT']}" in said
    assert "MISENTINEL_HTTPS_PORT" in said
    assert not (Path(alone["MISENTINEL_HOME"]) / "clusters").exists()


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("MISENTINEL_HTTP_PROT", "1", "http_port"),
        ("MISENTINEL_HTTPS_PORT", "many", "whole number"),
        ("MISENTINEL_PUBLIC_URL", "http://localhost", "https://"),
        ("MISENTINEL_WEB_THREADS", "0", "at least 1"),
        ("MISENTINEL_TLS_CERTIFICATE", "/nowhere.pem", "/nowhere.pem"),
        ("MISENTINEL_CLUSTERS", '{"far": {"dsn": "", "location": "US"}}', "United Kingdom"),
        ("MISENTINEL_CONTROL_URL", "postgresql://x@db.example.com/control", "sslmode=verify-full"),
        ("MISENTINEL_SMTP_URL", "smtp://mail.example.com?tls=none", "tls=starttls"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_left_running(alone, setting, value, named):
    code, said = refused(
        {**alone, setting: value, "MISENTINEL_TLS_KEY": value} if "TLS" in setting else {**alone, setting: value}
    )
    assert code == 78, said
    assert named in said
    assert wait_until_nothing_is_left(alone["MISENTINEL_HOME"]) == []


def test_a_database_out_of_reach_is_named(alone, tmp_path):
    authority = tmp_path / "ca.pem"
    authority.touch()
    proof = f"sslmode=verify-full sslrootcert={authority}"
    unreachable = f"host=127.0.0.1 port={free_ports(1)[0]} dbname=control user=x {proof}"
    code, said = refused({**alone, "MISENTINEL_CONTROL_URL": unreachable, "MISENTINEL_CLUSTERS": _nowhere(unreachable)})
    assert code == 69, said
    assert "control database cannot be reached" in said
    assert not (Path(alone["MISENTINEL_HOME"]) / "clusters").exists()
    assert wait_until_nothing_is_left(alone["MISENTINEL_HOME"]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_told_before_anything_is_made(alone, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not allow mounting a small file system")
    try:
        code, said = refused({**alone, "MISENTINEL_HOME": str(small / "home")})
        assert code == 69, said
        assert "MB are free on the disk" in said
        assert not (small / "home" / "clusters").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def _nowhere(dsn: str) -> str:
    return json.dumps({"main": {"dsn": dsn, "location": "GB"}})


def _is_web_of(folder: Path, supervisor: int) -> bool:
    with contextlib.suppress(OSError):
        if b"misentinel.site.serving.web" in (folder / "cmdline").read_bytes():
            return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1]) == supervisor
    return False
