"""Bringing a fleet of stores to the program's schema: canary first, resumable, a broken one named and left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connections

from misentinel.kernel.errors import Conflict, Unavailable
from misentinel.store.models import Placement
from misentinel.store.provisioning import first_line, migrate_database, prepare_clusters
from misentinel.store.queries import current_schema, forget_store

_log = logging.getLogger(__name__)
_FLEET_LOCK = 0x4D53_7432


@dataclass
class FleetReport:
    """How a fleet migration went. `broken` maps a customer to one sentence about its store."""

    done: list[UUID] = field(default_factory=list)
    current: int = 0
    broken: dict[UUID, str] = field(default_factory=dict)


def migrate_fleet(progress: Callable[[int, int], None] | None = None) -> FleetReport:
    """Migrates every store that is behind and tells `progress(done, of)` after each.

    The oldest store in order goes first; if it breaks, no other is touched and `Unavailable` is raised. A store that
    breaks later is marked, so that it is refused until a later run repairs it, and the rest goes on. Running again
    resumes: stores that are at the current schema are not opened, and those marked before come last, so that a store
    broken for reasons of its own is the canary once at the most. Raises `Conflict` while another run is under way.
    """
    with _alone():
        return _migrate_behind(progress)


@contextmanager
def _alone() -> Iterator[None]:
    """Two runs at once would meet in the same stores and mark healthy ones as broken."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_FLEET_LOCK])
        if not cursor.fetchone()[0]:
            raise Conflict("The stores are being migrated already; wait for that run to end.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_FLEET_LOCK])


def _migrate_behind(progress: Callable[[int, int], None] | None) -> FleetReport:
    prepare_clusters()
    target = current_schema()
    alive = Placement.objects.all()
    behind = sorted(
        alive.exclude(schema=target, fault="").order_by("created_at"), key=lambda placement: bool(placement.fault)
    )
    marked = {placement.customer_id for placement in behind if placement.fault}
    report = FleetReport(current=alive.count() - len(behind))
    for number, placement in enumerate(behind):
        fault = _migrate(placement, target)
        if not fault:
            report.done.append(placement.customer_id)
        else:
            report.broken[placement.customer_id] = fault
            if number == 0 and len(behind) > 1 and placement.customer_id not in marked:
                raise Unavailable(
                    f"The canary, the store of customer {placement.customer_id}, could not be migrated: {fault} "
                    "No other store was touched."
                )
        if progress is not None:
            progress(number + 1, len(behind))
    return report


def _migrate(placement: Placement, target: str) -> str:
    try:
        migrate_database(placement.cluster, placement.database)
    except Exception as error:  # noqa: BLE001  whatever breaks one store must not stop the others
        _log.exception("migrating %s failed", placement.database)
        placement.fault = f"{type(error).__name__}: {first_line(error)}"
    else:
        placement.fault, placement.schema = "", target
    placement.save(update_fields=["fault", "schema"])
    forget_store(placement.customer_id)
    return placement.fault
