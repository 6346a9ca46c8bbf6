"""What every benchmark stands on: a temporary home with both clusters as an installation has them, and one line out."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def prepared(**settings: str) -> Iterator[Path]:
    """Yields the home of a fresh installation with `settings`; Django is set up inside. Everything is removed after.

    fsync stays on: figures that a power cut would take back are not worth having.
    """
    for name in [name for name in os.environ if name.startswith("MISENTINEL_")]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="ms-bench-"))
    os.environ["MISENTINEL_HOME"] = str(home)
    os.environ["MISENTINEL_LOG_LEVEL"] = "WARNING"
    os.environ.update(settings)
    os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
    from misentinel.kernel import settings
    from misentinel.store.clusters import data_cluster, vault_cluster

    given = settings.load()
    clusters = [data_cluster(given), vault_cluster(given)]
    try:
        for cluster in clusters:
            cluster.start()
        import django

        django.setup()
        from misentinel.site import bootstrap

        bootstrap.prepare()
        yield home
    finally:
        for cluster in clusters:
            cluster.stop()
            shutil.rmtree(cluster.socket_folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def forget_connections(store: Any) -> None:
    """Makes the next query of this process open a new connection to `store`."""
    from misentinel.store.postgres.pool import POOL

    POOL.forget(store.alias)


def report(metric: str, *, ours: float, reference: float, ratio: float, target: str) -> None:
    """Prints one JSON line. `ratio` is oriented so that higher is better, whatever the unit."""
    line = {"metric": metric, "ours": _short(ours), "reference": _short(reference), "ratio": _short(ratio)}
    print(json.dumps({**line, "target": target}), flush=True)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
