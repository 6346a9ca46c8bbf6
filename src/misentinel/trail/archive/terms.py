"""How long a log is kept, and legal hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Invalid
from misentinel.trail.actions import PLATFORM, record_control
from misentinel.trail.archive.catalogue import list_parts
from misentinel.trail.archive.contracts import Terms
from misentinel.trail.archive.places import place
from misentinel.trail.contracts import Log, Tag
from misentinel.trail.models import ArchiveTerms

LEAST_HOT_DAYS = 7  # the database itself refuses to let go of anything younger
_LONGEST_DAYS = 36_525


def get_terms(customer_id: UUID | None) -> Terms:
    """Returns what holds for a log: its own terms, and the settings' where it has none."""
    own = ArchiveTerms.objects.filter(customer_id=customer_id or PLATFORM).first() or ArchiveTerms()
    general = settings.MISENTINEL
    return Terms(
        own.retention_days or general.archive_retention_days,
        max(LEAST_HOT_DAYS, own.hot_days or general.archive_hot_days),
        own.hold,
        own.hold_reason,
    )


def retained_until(day: date, terms: Terms) -> datetime:
    """Counted from the end of the day that the entries are of."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1 + terms.retention_days)


def set_terms(actor: Actor, log: Log, *, retention_days: int | None = None, hot_days: int | None = None) -> Terms:
    """Sets how long a log is kept. What is archived already is kept longer if that is more, and never less: it was
    promised.
    """
    for days in (retention_days, hot_days):
        if days is not None and not LEAST_HOT_DAYS <= days <= _LONGEST_DAYS:
            raise Invalid(f"Name between {LEAST_HOT_DAYS} and {_LONGEST_DAYS} days.")
    before = get_terms(log.customer_id)
    with transaction.atomic():
        own, _ = ArchiveTerms.objects.select_for_update().get_or_create(customer_id=log.customer_id or PLATFORM)
        own.retention_days = retention_days or own.retention_days
        own.hot_days = hot_days or own.hot_days
        own.save()
        after = get_terms(log.customer_id)
        record_control(
            actor, Tag.ARCHIVE_TERMS, customer_id=log.customer_id, object_kind="archive", object_id=log.origin,
            details={"retention_days": after.retention_days, "hot_days": after.hot_days,
                     "retention_days_before": before.retention_days, "hot_days_before": before.hot_days},
        )  # fmt: skip
    extend(log)
    return after


def extend(log: Log) -> int:
    """Makes every object of a log stay as long as its terms say now; returns how many had to. Safe to repeat."""
    kept, terms, extended = place(), get_terms(log.customer_id), 0
    for part in list_parts(log):
        until = retained_until(part.day, terms)
        there = kept.look(part.key, part.version)
        if there is not None and there.retain_until is not None and there.retain_until < until:
            kept.retain(part.key, part.version, until)
            extended += 1
    return extended


def set_hold(actor: Actor, log: Log, *, held: bool, reason: str) -> int:
    """Holds everything of a log, also what is archived from now on, or lifts that. Returns how many objects it
    reached.
    """
    if not reason.strip():
        raise Invalid("Say why, for example by the reference of the case.")
    with transaction.atomic():
        own, _ = ArchiveTerms.objects.select_for_update().get_or_create(customer_id=log.customer_id or PLATFORM)
        own.hold, own.hold_reason = held, reason.strip()[:200] if held else ""
        own.save()
        record_control(
            actor, Tag.ARCHIVE_HOLD if held else Tag.ARCHIVE_RELEASE, customer_id=log.customer_id,
            object_kind="archive", object_id=log.origin, after={"reason": reason.strip()[:200]},
        )  # fmt: skip
    return apply_hold(log)


def apply_hold(log: Log) -> int:
    """Puts on every object the hold that the terms say, or takes it off. Safe to repeat after it was cut off."""
    kept, terms, reached = place(), get_terms(log.customer_id), 0
    for part in list_parts(log):
        there = kept.look(part.key, part.version)
        if there is not None and there.held != terms.hold:
            kept.hold(part.key, part.version, held=terms.hold)
            reached += 1
    return reached
