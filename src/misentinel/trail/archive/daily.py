"""What the worker does for the archive of one log, each hour."""

from __future__ import annotations

from misentinel.kernel.actor import Actor
from misentinel.trail.archive.keeping import prune, remove_expired
from misentinel.trail.archive.writing import write_archive
from misentinel.trail.contracts import Log


def look_after_archive(actor: Actor, log: Log) -> None:
    """Writes what is due, lets the database go of what is old, removes what is past its retention. Safe to repeat."""
    while write_archive(actor, log, at_once=False).parts:
        pass
    while prune(actor, log):
        pass
    remove_expired(actor, log)
