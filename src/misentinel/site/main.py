"""`misentinel`: the program's entry point."""

from __future__ import annotations

import os
from pathlib import Path

from misentinel.cli import command
from misentinel.cli.failures import tell
from misentinel.cli.main import cli
from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.errors import MiSentinelError
from misentinel.kernel.settings import Settings
from misentinel.site.serving import logs
from misentinel.site.serving.command import run
from misentinel.site.serving.services import Issued, Role, Services
from misentinel.site.serving.services_commands import certificates, record_issued, status
from misentinel.store.postgres import transport


def main() -> None:
    """Runs the command line. An error is one sentence and an exit code, never a traceback."""
    command.use_preparation(prepare)
    for extra in (run, certificates, status):
        cli.add_command(extra)
    try:
        cli.main(standalone_mode=True)
    except Exception as error:  # noqa: BLE001  the edge of the program: told in one sentence, logged whole
        told = tell(error, _home())
        command.fail(told.sentence, told.exit_code)


def _home() -> Path:
    try:
        return kernel_settings.load().home
    except MiSentinelError:
        return Path(os.environ.get("MISENTINEL_HOME", "var")).expanduser().resolve()


def prepare() -> None:
    """Loads the settings, connects ports and adapters and makes sure the control database answers."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "misentinel.site.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from misentinel.site import bootstrap, wiring
    from misentinel.site.settings import MISENTINEL

    issued = _take_certificate(MISENTINEL)
    bootstrap.check_reachable("default", "control")
    logs.configure(MISENTINEL.home, "cli", MISENTINEL.log_level)  # a traceback is for the log, not for the terminal
    wiring.connect()
    record_issued(issued)


def _take_certificate(settings: Settings) -> list[Issued]:
    """At servers elsewhere the command line shows the supervisor's certificate. Returns what had to be renewed."""
    services = Services(settings.home)
    issued = services.renew_due([Role.SUPERVISOR]) if settings.control_url or settings.clusters else []
    transport.present(services.certificate(Role.SUPERVISOR))
    return issued
