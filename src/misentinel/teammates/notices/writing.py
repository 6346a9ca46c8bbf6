"""Writing a notice, in the transaction of what it tells of."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from misentinel.customers.queries import get_customer
from misentinel.kernel import settings
from misentinel.kernel.actor import OPERATOR_ID
from misentinel.kernel.clock import now
from misentinel.teammates.contracts import Notice, Permission
from misentinel.teammates.models import NoticeRecord, Teammate
from misentinel.teammates.notice_texts import PURPOSE, compose
from misentinel.teammates.queries.holding import held_now
from misentinel.vault.queries import seal_secret

_log = logging.getLogger(__name__)


def _leave_it_to_the_sweep() -> None:
    _log.debug("no worker to wake for notices: the sweep finds them")


_wake_up: Callable[[], None] = _leave_it_to_the_sweep


def use_wake_up(wake_up: Callable[[], None]) -> None:
    """Names what tells the worker of new notices, right after commit. It may fail: the sweep comes anyway."""
    global _wake_up
    _wake_up = wake_up


def notify(teammate: Teammate, notice: Notice, *, to: str = "", **facts: object) -> UUID:
    """Adds a notice in the transaction that is open on the control plane, and returns its id.

    It goes to the teammate's address, or to `to`. Facts are words; moments may be datetimes, and `link` is a path.
    Raises `TypeError` if the facts are not those that the kind needs.
    """
    return _write(teammate, notice, to or teammate.email, facts)


def notify_holders(customer_id: UUID, permission: Permission, notice: Notice, **facts: object) -> int:
    """Tells everyone of a customer who holds `permission` now and can sign in; returns how many."""
    rows = Teammate.objects.select_related("role").filter(
        customer_id=customer_id, suspended_at=None, enrolled_at__isnull=False
    )
    holders = [row for row in rows if permission in held_now(row)]
    for teammate in holders:
        _write(teammate, notice, teammate.email, facts)
    return len(holders)


def _write(teammate: Teammate, notice: Notice, recipient: str, facts: Mapping[str, object]) -> UUID:
    customer = get_customer(teammate.customer_id) if teammate.customer_id != OPERATOR_ID else None
    zone = ZoneInfo(customer.time_zone if customer else "UTC")
    shown = {name: _moment(fact, zone) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
    subject, text = compose(notice, _moment(now(), zone), customer.name if customer else "the operator", shown)
    link = str(facts.get("link", ""))
    row = NoticeRecord(teammate=teammate, kind=notice.value, recipient=recipient)
    content = {"subject": subject, "text": text, "link": settings.load().base_url + link if link else ""}
    row.sealed = seal_secret(PURPOSE, json.dumps(content).encode(), str(row.id))
    with transaction.atomic():
        row.save(force_insert=True)
        transaction.on_commit(lambda: _wake_up(), robust=True)
    return row.id


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M} ({zone.key})"
