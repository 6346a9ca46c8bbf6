"""`misentinel run`: from nothing to a served console, and from there to nothing left running.

Order matters: what can be refused is refused before anything is made (lock, ports, disk, certificate), and a secret is
made only when everything runs, so that it is certain to be shown.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import django
import psycopg
from django.db import DatabaseError, connections

from misentinel.cli.command import login
from misentinel.kernel.actor import operator
from misentinel.kernel.errors import Misconfigured, MiSentinelError, Unavailable
from misentinel.kernel.settings import Settings
from misentinel.messages.channels.server import Server
from misentinel.site.serving import logs, tls
from misentinel.site.serving.authority import Certificate, ensure_certificate
from misentinel.site.serving.files import ensure_folder
from misentinel.site.serving.guardian import start_guardian
from misentinel.site.serving.listening import listen
from misentinel.site.serving.lock import HomeLock, take_home
from misentinel.site.serving.services import Role, Services
from misentinel.site.serving.services_commands import all_well, record_issued, tell_who_is_unwell
from misentinel.site.serving.status import write_ports
from misentinel.site.serving.supervisor import STOP_SECONDS, Stopped, Supervisor
from misentinel.store.clusters import embedded_clusters, parse_clusters, parse_dsn
from misentinel.store.postgres import transport
from misentinel.trail.contracts import Tag
from misentinel.web.networks import parse_networks

if TYPE_CHECKING:
    from misentinel.site.serving.demo import Demo

FREE_BYTES = 256 * 1024 * 1024
READY_SECONDS = 60.0
HEALTH_SECONDS = 60.0
LOOPBACK = "127.0.0.1"

_log = logging.getLogger(__name__)

Telling = Callable[[str], None]
Ready = Callable[[Certificate, "Demo | None"], None]


def run(settings: Settings, *, demo: bool, telling: Telling, ready: Ready) -> None:
    """Serve until told to stop. `telling` hears each step, `ready` is called once when everything is served.

    Raises `MiSentinelError` with what stands in the way; whatever had been started is stopped by then.
    """
    check_settings(settings)
    ensure_folder(settings.home)
    with Supervisor(settings.home) as supervisor:
        try:
            _run(settings, supervisor, demo=demo, telling=telling, ready=ready)
        except Stopped:
            telling("stopped before everything ran")
        except MiSentinelError:
            if not supervisor.stopping:
                raise
            telling("stopped before everything ran")


def _run(settings: Settings, supervisor: Supervisor, *, demo: bool, telling: Telling, ready: Ready) -> None:
    with ExitStack() as stack:
        lock = take_home(settings.home, telling)
        stack.callback(lock.release)
        _refuse_full_disk(settings.home)
        logs.configure(settings.home, "run", settings.log_level)
        https = stack.enter_context(listen(settings.bind, settings.https_port, "https_port"))
        http = (
            stack.enter_context(listen(settings.bind, settings.http_port, "http_port")) if settings.http_port else None
        )
        services = Services(settings.home)
        issued = services.renew_due()
        transport.present(services.certificate(Role.SUPERVISOR))
        doors = {role: stack.enter_context(listen(LOOPBACK, 0, "bind")) for role in _children(settings)}
        _refuse_unreachable(settings)
        certificate = ensure_certificate(settings)
        stack.enter_context(_databases(settings, lock, telling))
        # Entered after the databases, so that the children are stopped before them.
        stack.callback(supervisor.stop)
        supervisor.check_stop()
        _prepare(settings, telling)
        supervisor.check_stop()
        telling("starting the web server and the worker")
        _start_children(supervisor, https.fileno(), http.fileno() if http else None, settings, doors)
        ports = {role: door.getsockname()[1] for role, door in doors.items()}
        write_ports(settings.home, ports)
        supervisor.wait_until(lambda: _answers(settings, certificate), READY_SECONDS, "web server")
        supervisor.wait_until(lambda: all_well(services, ports), READY_SECONDS, "worker")
        made = _ensure_demo() if demo else None
        supervisor.add_chore(lambda: logs.rotate(settings.home))
        supervisor.add_chore(lambda: _renew(settings))
        supervisor.add_chore(lambda: _renew_services(services))
        supervisor.add_chore(lambda: tell_who_is_unwell(services, ports), HEALTH_SECONDS)
        record_issued(issued)
        _record(Tag.SERVICE_START)
        # Entered last, so that it is told before anything is stopped.
        stack.callback(_record, Tag.SERVICE_STOP)
        ready(certificate, made)
        supervisor.watch()
        telling("stopping")


@contextmanager
def _databases(settings: Settings, lock: HomeLock, telling: Telling) -> Iterator[None]:
    """The embedded clusters that the settings leave to us, running for the length of the block."""
    clusters = embedded_clusters(settings)
    if not clusters:
        yield
        return
    guardian = start_guardian(settings.home, lock, [cluster.name for cluster in clusters])
    try:
        telling("starting the databases")
        with ThreadPoolExecutor(len(clusters)) as pool:
            for started in [pool.submit(cluster.start) for cluster in clusters]:
                started.result()
        yield
    except BaseException:
        with suppress(Unavailable):  # what went wrong first is what is told
            _dismiss(guardian)
        raise
    _dismiss(guardian)


def _dismiss(guardian: subprocess.Popen[bytes]) -> None:
    try:
        _, said = guardian.communicate(timeout=STOP_SECONDS + 60)
    except subprocess.TimeoutExpired:
        raise Unavailable("The embedded databases did not stop in time; they may still run.") from None
    if guardian.returncode:
        raise Unavailable(said.decode(errors="replace").strip() or "The embedded databases could not be stopped.")


def _prepare(settings: Settings, telling: Telling) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
    ensure_folder(settings.home / "static")  # WhiteNoise warns about a folder that is not there
    django.setup()
    logs.configure(settings.home, "run", settings.log_level)  # Django has set up a log of its own
    from misentinel.site import bootstrap

    bootstrap.prepare(telling)
    connections.close_all()


def _children(settings: Settings) -> list[Role]:
    """The processes that say that they are well."""
    return [*([Role.REDIRECT] if settings.http_port else []), Role.WORKER, Role.WEB]


def _start_children(
    supervisor: Supervisor, https: int, http: int | None, settings: Settings, doors: dict[Role, socket.socket]
) -> None:
    environment = tls.environment({**os.environ, "MISENTINEL_HOME": str(settings.home)})
    package = "misentinel.site.serving"
    status = {role: door.fileno() for role, door in doors.items()}
    if http is not None:
        supervisor.add(
            "redirect", f"{package}.redirect", "--fd", str(http), "--to", settings.base_url,
            "--home", str(settings.home), "--status-fd", str(status[Role.REDIRECT]),
            environment=environment, fds=(http, status[Role.REDIRECT]),
        )  # fmt: skip
    supervisor.add(
        "worker", f"{package}.work", "--status-fd", str(status[Role.WORKER]),
        environment=environment, fds=(status[Role.WORKER],),
    )  # fmt: skip
    supervisor.add(
        "web server", f"{package}.web", "--fd", str(https), "--status-fd", str(status[Role.WEB]),
        environment=environment, fds=(https, status[Role.WEB]),
    )  # fmt: skip


def _answers(settings: Settings, certificate: Certificate) -> bool:
    """Whether the web server answers over TLS with the certificate that it should have."""
    context = ssl.create_default_context(cafile=certificate.authority or certificate.chain)
    # It asks itself at its own address, which the certificate of its public name does not name.
    context.check_hostname = False  # nosemgrep: no-certificate-left-unverified
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind, settings.bind)  # noqa: S104  # nosec B104  compared, not bound
    connection = HTTPSConnection(host, settings.https_port, timeout=5, context=context)
    try:
        connection.request("HEAD", "/.well-known/ready")  # a path of nobody: 404 says that it answers
        connection.getresponse()
    except ssl.SSLCertVerificationError:
        return certificate.authority is None  # given by the operator: who vouches for it is theirs to know
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def _ensure_demo() -> Demo:
    from misentinel.site.serving.demo import ensure_demo

    made = ensure_demo()
    connections.close_all()
    return made


def _record(tag: Tag) -> None:
    """Tell the platform log. A database that is gone must not keep the rest from being stopped."""
    from misentinel.trail.actions import record_control

    try:
        record_control(operator(login()), tag, details={"command": tag.value})
    except (MiSentinelError, DatabaseError):
        _log.exception("%s could not be recorded", tag.value)
    connections.close_all()


def _renew(settings: Settings) -> None:
    ensure_certificate(settings)


def _renew_services(services: Services) -> None:
    record_issued(services.renew_due())
    connections.close_all()


def _refuse_full_disk(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < FREE_BYTES:
        raise Unavailable(
            f"Only {free // 2**20} MB are free on the disk that holds {home}; "
            f"free at least {FREE_BYTES // 2**20} MB, or set MISENTINEL_HOME to another folder."
        )


def check_settings(settings: Settings) -> None:
    """Refuse what could never be served. Raises `Misconfigured`."""
    if not settings.base_url.startswith("https://"):
        raise Misconfigured(f"Setting public_url must begin with https://, not be {settings.base_url!r}.")
    for name in ("web_processes", "web_threads", "worker_threads", "store_connections"):
        if getattr(settings, name) < 1:
            raise Misconfigured(f"Setting {name} must be at least 1, not {getattr(settings, name)}.")
    if settings.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise Misconfigured(f"Setting log_level must be DEBUG, INFO, WARNING or ERROR, not {settings.log_level!r}.")
    for name in ("control_url", "vault_url"):
        if getattr(settings, name):
            parse_dsn(getattr(settings, name), name)
    if settings.clusters:
        parse_clusters(settings)
    if settings.smtp_url:
        Server.parse(settings.smtp_url)
    parse_networks(settings.denied_networks)
    if not settings.tls_certificate and settings.bind not in _OURSELVES and _is_public(settings.base_url):
        raise Misconfigured(
            f"{settings.base_url} is a public name, and others reach this machine (bind is {settings.bind}): give it a "
            "certificate that browsers trust, with tls_certificate and tls_key, or bind to 127.0.0.1 behind a proxy."
        )


_OURSELVES = frozenset({"127.0.0.1", "::1", "localhost"})
_PRIVATE_SUFFIXES = ("localhost", "local", "internal", "test", "home.arpa")  # RFC 6761, RFC 6762, RFC 8375


def _is_public(url: str) -> bool:
    """Whether a public authority could vouch for the host of `url`: a name with a dot, under no private suffix."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return "." in host and host.rpartition(".")[2].isalpha() and not host.endswith(_PRIVATE_SUFFIXES)


def _refuse_unreachable(settings: Settings) -> None:
    """Raise `Unavailable` for a database elsewhere that does not answer, before anything of ours is started."""
    for name, dsn in (("control", settings.control_url), ("vault", settings.vault_url)):
        if not dsn:
            continue
        try:
            psycopg.connect(**transport.proven(parse_dsn(dsn, f"{name}_url")), connect_timeout=10).close()
        except psycopg.OperationalError as error:
            raise Unavailable(f"The {name} database cannot be reached: {_first_line(error)}.") from error


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
