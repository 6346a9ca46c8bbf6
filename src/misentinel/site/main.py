"""`misentinel`: the program's entry point."""

from __future__ import annotations

import os

from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.kernel.errors import MiSentinelError


def main() -> None:
    """Runs the command line. An error is one sentence and an exit code, never a traceback."""
    command.use_preparation(prepare)
    try:
        cli.main(standalone_mode=True)
    except MiSentinelError as error:
        command.fail(error)


def prepare() -> None:
    """Loads the settings, connects ports and adapters and makes sure the control database answers."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "misentinel.site.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from misentinel.site import bootstrap, wiring

    bootstrap.check_reachable("default", "control")
    wiring.connect()
