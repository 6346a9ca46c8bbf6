"""The web server's process: gunicorn with our worker, TLS and log, on a socket that the supervisor has bound.

Started as `python -m misentinel.site.serving.web --fd N` by the supervisor, with the environment of
`tls.environment`.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.errors import MiSentinelError
from misentinel.kernel.settings import Settings
from misentinel.site.serving import logs
from misentinel.site.serving.authority import ensure_certificate
from misentinel.site.serving.children import die_with_parent
from misentinel.site.serving.services import Role, Services
from misentinel.site.serving.status import serve_inherited
from misentinel.site.serving.tls import ReloadingContext
from misentinel.site.serving.worker import Worker
from misentinel.store.postgres import transport

_log = logging.getLogger(__name__)

HOPELESS = 4  # trying again would end the same way; gunicorn's own code for an application that does not load
APPLICATION = "misentinel.site.wsgi:application"
GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 30
STUCK_SECONDS = 60
HEADER_BYTES = 8190
HEADER_COUNT = 64


class WebServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured by our settings alone: it reads no file and no environment of its own."""

    def __init__(self, settings: Settings, fd: int, application: str, status_fd: int = -1) -> None:
        self._settings = settings
        self._status_fd = status_fd
        self._fd = fd
        self._application = application
        self._context = ReloadingContext(ensure_certificate(settings))
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        module, _, name = self._application.partition(":")
        try:
            application: Callable[..., Any] = getattr(importlib.import_module(module), name)
        finally:
            logs.configure(self._settings.home, "web", self._settings.log_level)  # Django has set up its own
        return application

    def _options(self) -> dict[str, Any]:
        certificate = ensure_certificate(self._settings)
        return {
            "bind": f"fd://{self._fd}",
            "backlog": 1024,
            "workers": self._settings.web_processes,
            # Loaded once and forked: one sentence instead of one a process if it cannot be, and less memory.
            "preload_app": True,
            "threads": self._settings.web_threads,
            "worker_class": Worker,
            "worker_connections": 1000,
            "timeout": STUCK_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "limit_request_line": HEADER_BYTES,
            "limit_request_fields": HEADER_COUNT,
            "limit_request_field_size": HEADER_BYTES,
            # Whoever stands in front cannot be told from a client here: no header of theirs is believed.
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "certfile": str(certificate.chain),
            "keyfile": str(certificate.key),
            "ssl_context": lambda _conf, _default: self._context.current(),
            "post_fork": lambda _arbiter, _worker: self._say_how_it_is(),
            "logger_class": logs.ServerLog,
            "loglevel": self._settings.log_level.lower(),
            "control_socket_disable": True,
            "proc_name": "misentinel-web",
        }

    def _say_how_it_is(self) -> None:
        """In each process that serves: whichever takes the question answers for all."""
        serve_inherited(self._status_fd, self._settings.home, Role.WEB)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="misentinel-web", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the bound socket that was inherited")
    parser.add_argument("--status-fd", type=int, default=-1, help="the bound socket on which to say that it is well")
    parser.add_argument("--application", default=APPLICATION, help="module:name of the WSGI application")
    given = parser.parse_args(arguments)
    die_with_parent()
    try:
        settings = kernel_settings.load()
        logs.configure(settings.home, "web", settings.log_level)
        transport.present(Services(settings.home).certificate(Role.WEB))
        WebServer(settings, given.fd, given.application, given.status_fd).run()
    except MiSentinelError as error:
        print(error.message, file=sys.stderr)  # noqa: T201  the supervisor passes it on
        return error.exit_code
    except Exception as error:  # noqa: BLE001  the edge of the process: told in one sentence, logged whole
        _log.exception("The web server could not be started")
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return HOPELESS
    return 0


if __name__ == "__main__":
    sys.exit(main())
