"""Reading messages, their reports, the local mailbox and unsubscribe links."""

from misentinel.messages.queries.mailbox import get_mail, list_mail
from misentinel.messages.queries.messages import get_message, list_messages, preview
from misentinel.messages.queries.reports import get_delivery, list_recipients, next_due, report
from misentinel.messages.queries.unsubscribing import find_unsubscription, unsubscribe_urls

__all__ = [
    "find_unsubscription",
    "get_delivery",
    "get_mail",
    "get_message",
    "list_mail",
    "list_messages",
    "list_recipients",
    "next_due",
    "preview",
    "report",
    "unsubscribe_urls",
]
