"""Sending what is due: claim a batch, make each message, hand it over, keep the ledger."""

from misentinel.messages.jobs.mailer import Mailer, mailer_from
from misentinel.messages.jobs.sending import has_work, schedule_sending, send_due, use_schedule

__all__ = ["Mailer", "has_work", "mailer_from", "schedule_sending", "send_due", "use_schedule"]
