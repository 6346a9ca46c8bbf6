"""Who opened a session in a database: ours counted, anybody else's each told by itself.

Trust: written from what PostgreSQL says of itself. Whoever administers the server, or may write its log folder, can
keep a login out of it; nobody who merely has a role's password can.
"""

from __future__ import annotations

import logging
import re
from collections import Counter

from django.db import transaction

from misentinel.kernel.actor import system
from misentinel.store.embedded import EmbeddedCluster
from misentinel.store.queries import owner_of_database
from misentinel.store.server_log import Position, read_logins
from misentinel.trail.actions.recording import record_control
from misentinel.trail.contracts import Outcome, Tag
from misentinel.trail.models import ServerLogReading

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED = 50  # roles and databases that one entry names; what goes beyond is counted
_WATCH = system("database-watch")


def watch_sessions(cluster: EmbeddedCluster) -> int:
    """Records the logins of a cluster since the last time, each once; returns how many were not ours.

    Sessions of the program are one entry, with a count for each role and database. One that is not is told by itself,
    to the customer as well whose store it is in, and in the program's own log as critical.
    """
    with transaction.atomic():
        ServerLogReading.objects.get_or_create(cluster=cluster.name)
        reading = ServerLogReading.objects.select_for_update().get(cluster=cluster.name)
        logins, reached = read_logins(cluster.folder, Position(reading.file, reading.offset))
        ours = Counter(f"{login.role} in {login.database}" for login in logins if login.own)
        others = Counter((_name(login.role), _name(login.database), login.refused) for login in logins if not login.own)
        if ours:
            _record_ours(cluster, ours)
        for (role, database, refused), number in sorted(others.items()):
            _record(cluster, role, database, number, refused=refused)
        reading.file, reading.offset = reached.file, reached.offset
        reading.save(update_fields=["file", "offset"])
    for (role, database, refused), number in sorted(others.items()):
        _log.critical(
            "%s in database %s of cluster %s %s %s sessions that are not the program's", role, database, cluster.name,
            "was refused" if refused else "has opened", number,
        )  # fmt: skip
    return sum(others.values())


def _name(given: str) -> str:
    """A name of whoever was refused may be anything that somebody typed; only what looks like one is repeated."""
    return given[:63] if _NAME.fullmatch(given) else "unknown"


def _record_ours(cluster: EmbeddedCluster, ours: Counter[str]) -> None:
    named = dict(ours.most_common(_NAMED))
    record_control(
        _WATCH, Tag.DATABASE_SESSION, object_kind="cluster", object_id=cluster.name,
        details={"count": sum(ours.values()), "sessions": named, "further": sum(ours.values()) - sum(named.values())},
    )  # fmt: skip


def _record(cluster: EmbeddedCluster, role: str, database: str, number: int, *, refused: bool) -> None:
    record_control(
        _WATCH, Tag.DATABASE_REFUSE if refused else Tag.DATABASE_INTRUSION, customer_id=owner_of_database(database),
        object_kind="database", object_id=database, outcome=Outcome.REFUSED if refused else Outcome.DONE,
        details={"cluster": cluster.name, "role": role, "count": number},
    )  # fmt: skip
