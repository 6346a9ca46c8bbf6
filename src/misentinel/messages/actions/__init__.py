"""What can be done with messages. Each is one transaction: the change, its entry on the trail, its consequences."""

from misentinel.messages.actions.sending import consider, pause_message, send_message, set_live
from misentinel.messages.actions.unsubscribing import unsubscribe
from misentinel.messages.actions.writing import create_message, delete_message, edit_message

__all__ = [
    "consider",
    "create_message",
    "delete_message",
    "edit_message",
    "pause_message",
    "send_message",
    "set_live",
    "unsubscribe",
]
