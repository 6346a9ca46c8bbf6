"""Waits until the test run that started it has ended, however it ended; stops its clusters, removes its home."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from misentinel.store.embedded import EmbeddedCluster

if __name__ == "__main__":
    home = Path(sys.argv[1])
    sys.stdin.read()  # ends when the run closes its side, or dies
    for name in ("data", "vault", "elsewhere"):
        other = os.environ.get("TEST_POSTGRES_BINARIES")
        cluster = EmbeddedCluster(home, name, binaries=Path(other) if other else None)
        if (cluster.folder / "PG_VERSION").exists():
            cluster.stop()
        shutil.rmtree(cluster.socket_folder, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
