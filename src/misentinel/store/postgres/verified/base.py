"""The `DatabaseWrapper` that judges where it connects to each time it does (the name is what Django looks for)."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

from misentinel.store.postgres import transport
from misentinel.store.postgres.rest import is_at_rest


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to a proven server. The worker's pool takes its parameters from here too."""

    def get_connection_params(self) -> dict[str, Any]:
        return transport.proven(super().get_connection_params(), str(self.alias))

    def is_usable(self) -> bool:
        """Asked before each request; Django would ask the server, which costs a request a tenth of its time."""
        return self.connection is not None and is_at_rest(self.connection)
