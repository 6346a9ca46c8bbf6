"""Writing the trail: entries in the transaction of what they tell of, and their sealing after it."""

from misentinel.trail.actions.recording import (
    CONTROL_ALIAS,
    OUT_OF_REACH,
    PLATFORM,
    copy_pending,
    noticing,
    record,
    record_control,
    record_many,
    use_wake_up,
)
from misentinel.trail.actions.sealing import find_withheld, rotate_key, seal
from misentinel.trail.actions.sessions import watch_sessions
from misentinel.trail.actions.witnessing import ask_witness

__all__ = [
    "CONTROL_ALIAS",
    "OUT_OF_REACH",
    "PLATFORM",
    "ask_witness",
    "copy_pending",
    "find_withheld",
    "noticing",
    "record",
    "record_control",
    "record_many",
    "rotate_key",
    "seal",
    "use_wake_up",
    "watch_sessions",
]
