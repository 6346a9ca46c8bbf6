"""Messages: the list, the editor with its preview, sending and switching, and the report.

Reading what a message says needs no more than being signed in; writing and sending need the permission for its kind,
and whoever it went to is shown only with the permission for user data.
"""

from misentinel.web.console.pages.messages import editing, reading, sending

__all__ = ["editing", "reading", "sending"]
