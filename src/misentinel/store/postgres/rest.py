"""Whether an idle connection still leads to its server, without asking the server."""

from __future__ import annotations

import select
from typing import Any


def is_at_rest(connection: Any) -> bool:
    """Whether it may be used. Something to read on an idle connection is the server's goodbye (a restart, an
    administrator), which psycopg would notice only when a request has failed of it.
    """
    if connection.closed or connection.broken:
        return False
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
