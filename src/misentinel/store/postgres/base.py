"""The `DatabaseWrapper` that borrows its connection and gives it back (the name is what Django looks for)."""

from __future__ import annotations

from typing import Any

from misentinel.store.postgres.pool import POOL
from misentinel.store.postgres.verified import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A store's connection. Closing it gives the session back to the pool, still signed in as the same role."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = POOL.borrow(self.alias)
        if connection is None:
            connection = super().get_new_connection(conn_params)
            POOL.opened()
        return connection

    def _close(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors:
                POOL.give_back(self.alias, self.connection)
