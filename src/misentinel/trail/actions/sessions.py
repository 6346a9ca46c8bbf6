"""Who opened a session in a database: ours counted, anybody else's each told by itself.

Trust: written from what PostgreSQL says of itself. Whoever administers the server, or may write its log folder, can
keep a login out of it; nobody who merely has a role's password can.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from uuid import UUID

from django.db import transaction

from misentinel.kernel.actor import system
from misentinel.store.embedded import EmbeddedCluster
from misentinel.store.queries import owner_of_database
from misentinel.store.server_log import Login, Position, read_logins
from misentinel.trail.actions.recording import record_control
from misentinel.trail.contracts import Outcome, Tag
from misentinel.trail.models import ServerLogReading

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WATCH = system("database-watch")


def watch_sessions(cluster: EmbeddedCluster) -> int:
    """Records the logins of a cluster since the last time, each once; returns how many were not ours.

    Sessions of the program are told as a count for each role and database. One that is not is told at once, to the
    customer as well whose store it is in, and in the program's own log as critical.
    """
    with transaction.atomic():
        ServerLogReading.objects.get_or_create(cluster=cluster.name)
        reading = ServerLogReading.objects.select_for_update().get(cluster=cluster.name)
        logins, reached = read_logins(cluster.folder, Position(reading.file, reading.offset))
        told = Counter((_tag(login), _name(login.role), _name(login.database)) for login in logins)
        for (tag, role, database), number in sorted(told.items()):
            owner = None if tag is Tag.DATABASE_SESSION else owner_of_database(database)
            _record(tag, cluster, role, database, number, owner)
        reading.file, reading.offset = reached.file, reached.offset
        reading.save(update_fields=["file", "offset"])
    others = Counter((_name(login.role), _name(login.database), login.refused) for login in logins if not login.own)
    for (role, database, refused), number in sorted(others.items()):
        what = "was refused" if refused else "has opened"
        _log.critical(
            "%s in database %s of cluster %s %s %s sessions that are not the program's", role, database, cluster.name,
            what, number,
        )  # fmt: skip
    return sum(others.values())


def _tag(login: Login) -> Tag:
    if login.own:
        return Tag.DATABASE_SESSION
    return Tag.DATABASE_REFUSE if login.refused else Tag.DATABASE_INTRUSION


def _name(given: str) -> str:
    """A name of whoever was refused may be anything that somebody typed; only what looks like one is repeated."""
    return given[:63] if _NAME.fullmatch(given) else "unknown"


def _record(tag: Tag, cluster: EmbeddedCluster, role: str, database: str, number: int, owner: UUID | None) -> None:
    record_control(
        _WATCH, tag, customer_id=owner, object_kind="database", object_id=database,
        outcome=Outcome.REFUSED if tag is Tag.DATABASE_REFUSE else Outcome.DONE,
        details={"cluster": cluster.name, "role": role, "count": number},
    )  # fmt: skip
