"""Stops the embedded databases when the run that started them is over, also when it was killed.

PostgreSQL detaches itself from whoever starts it. So this small process holds the reading end of a pipe whose other
end only the supervisor has: it ends when the supervisor closes it or dies. Until the databases are down, this process
holds the home's lock, so that the next run waits instead of finding them half stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from misentinel.kernel.errors import MiSentinelError
from misentinel.site.serving.lock import HomeLock
from misentinel.store.embedded import EmbeddedCluster


def start_guardian(home: Path, lock: HomeLock, names: list[str]) -> subprocess.Popen[bytes]:
    """Returns the guardian of the clusters `names`; closing its `stdin` has it stop them and end."""
    return subprocess.Popen(
        [sys.executable, "-m", "misentinel.site.serving.guardian", str(home), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[lock.fd],
        start_new_session=True,
    )


def main(arguments: list[str]) -> int:
    """Wait for the end of the run, then stop its databases. Returns the exit code."""
    home, names = Path(arguments[0]), arguments[1:]
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(0, 1024):
        continue
    code = 0
    for name in names:
        try:
            EmbeddedCluster(home, name).stop()
        except MiSentinelError as error:
            print(error.message, file=sys.stderr)  # noqa: T201  the supervisor passes it on
            code = error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
