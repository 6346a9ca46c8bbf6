"""Sending notices: claim one, hand it over, write down what became of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q, QuerySet

from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.teammates.contracts import Notice
from misentinel.teammates.models import NoticeRecord
from misentinel.teammates.notice_texts import LINK
from misentinel.teammates.ports import Courier, Letter, Undelivered
from misentinel.teammates.queries.own_account import open_notice
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Outcome, Tag

LEASE = timedelta(minutes=5)  # longer than a mail server may take for all its answers
_FIRST_PAUSE, _LONGEST_PAUSE, _TRIES = timedelta(minutes=1), timedelta(hours=6), 8
_log = logging.getLogger(__name__)


def due_notices() -> QuerySet[NoticeRecord]:
    """Those that wait to be sent and that nobody is sending right now."""
    free = Q(lease_until=None) | Q(lease_until__lt=now())
    return NoticeRecord.objects.filter(free, sent_at=None, given_up_at=None, due_at__lte=now())


def send_due_notices(courier: Courier, *, limit: int = 500) -> int:
    """Sends what is due, one after the other; returns how many went out. Any number of workers may do so at once."""
    sent = 0
    for _ in range(limit):
        row = _claim()
        if row is None:
            break
        sent += _send(courier, row)
    return sent


def _claim() -> NoticeRecord | None:
    with transaction.atomic():
        waiting = due_notices().select_for_update(skip_locked=True, of=("self",)).select_related("teammate")
        row = waiting.order_by("due_at", "id").first()
        if row is None:
            return None
        row.lease, row.lease_until, row.attempts = uuid4(), now() + LEASE, row.attempts + 1
        row.save(update_fields=["lease", "lease_until", "attempts"])
    return row


def _send(courier: Courier, row: NoticeRecord) -> bool:
    content = open_notice(row)
    text = content["text"].replace(LINK, content["link"])
    try:
        courier.deliver(Letter(row.id, row.recipient, content["subject"], text, row.created_at))
    except Undelivered as error:
        _log.warning("notice %s was not sent at try %d: %s", row.id, row.attempts, error)
        _put_off(row)
        return False
    _finish(row, Outcome.DONE, sent_at=now())
    return True


def _put_off(row: NoticeRecord) -> None:
    """Tries again after 1, 4, 16 … minutes, at most every six hours; after the eighth try the trail tells of it."""
    if row.attempts >= _TRIES:
        _finish(row, Outcome.FAILED, given_up_at=now())
        return
    pause = min(_FIRST_PAUSE * 4 ** (row.attempts - 1), _LONGEST_PAUSE)
    _mine(row.id, row.lease).update(lease=None, lease_until=None, due_at=now() + pause)


def _finish(row: NoticeRecord, outcome: Outcome, **ended: object) -> None:
    with transaction.atomic():
        if not _mine(row.id, row.lease).update(lease=None, lease_until=None, **ended):
            return  # our lease ran out and somebody else has it: they tell what became of it
        record_control(
            system("notices"), Tag.NOTICE_SEND, customer_id=row.teammate.customer_id, object_kind="teammate",
            object_id=row.teammate_id, outcome=outcome,
            details={"notice": str(row.id), "kind": Notice(row.kind).value, "attempts": row.attempts},
        )  # fmt: skip


def _mine(notice_id: UUID, lease: UUID | None) -> QuerySet[NoticeRecord]:
    return NoticeRecord.objects.filter(id=notice_id, lease=lease, sent_at=None, given_up_at=None)
