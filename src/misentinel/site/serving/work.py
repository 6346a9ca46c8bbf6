"""The worker's process: jobs and timers, until told to stop. Started by the supervisor."""

from __future__ import annotations

import importlib
import os
import signal
import sys

from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.errors import MiSentinelError
from misentinel.site.serving import logs
from misentinel.site.serving.children import die_with_parent


def main() -> int:
    """Returns the exit code."""
    # The databases go down with a killed supervisor, and without them a graceful end waits for what cannot come.
    die_with_parent(signal.SIGKILL)
    try:
        settings = kernel_settings.load()
        logs.configure(settings.home, "worker", settings.log_level)
        os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
        importlib.import_module("django").setup()
        logs.configure(settings.home, "worker", settings.log_level)  # Django has set up a log of its own
        importlib.import_module("misentinel.site.wiring").connect()
        importlib.import_module("misentinel.site.jobs").run_worker(settings.worker_threads)
    except MiSentinelError as error:
        print(error.message, file=sys.stderr)  # noqa: T201  the supervisor passes it on
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
