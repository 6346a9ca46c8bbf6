"""Notices to teammates about their own accounts: nobody can switch them off, and none is lost.

`notify` writes a row in the caller's transaction, so that a notice exists exactly if what it tells of happened. The
worker sends it, over the port `Courier`, at least once: a process killed between handing it over and writing that
down sends it again after its lease, with the same Message-ID.
"""

from misentinel.teammates.contracts import Notice
from misentinel.teammates.notices.sending import due_notices, send_due_notices
from misentinel.teammates.notices.writing import notify, notify_holders, use_wake_up

__all__ = ["Notice", "due_notices", "notify", "notify_holders", "send_due_notices", "use_wake_up"]
