"""The worker's process: jobs and timers, until told to stop. Started by the supervisor."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys

from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.errors import MiSentinelError
from misentinel.site.serving import logs
from misentinel.site.serving.children import die_with_parent
from misentinel.site.serving.services import Role, Services
from misentinel.site.serving.status import serve_inherited
from misentinel.store.postgres import transport


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="misentinel-worker", description=__doc__)
    parser.add_argument("--status-fd", type=int, default=-1, help="the bound socket on which to say that it is well")
    given = parser.parse_args(arguments)
    # The databases go down with a killed supervisor, and without them a graceful end waits for what cannot come.
    die_with_parent(signal.SIGKILL)
    try:
        settings = kernel_settings.load()
        logs.configure(settings.home, "worker", settings.log_level)
        os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
        importlib.import_module("django").setup()
        logs.configure(settings.home, "worker", settings.log_level)  # Django has set up a log of its own
        transport.present(Services(settings.home).certificate(Role.WORKER))
        importlib.import_module("misentinel.site.wiring").connect()
        jobs = importlib.import_module("misentinel.site.jobs")
        serve_inherited(given.status_fd, settings.home, Role.WORKER, jobs.last_job)
        jobs.run_worker(settings.worker_threads)
    except MiSentinelError as error:
        print(error.message, file=sys.stderr)  # noqa: T201  the supervisor passes it on
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
