"""Writing the trail: entries in the transaction of what they tell of, and their sealing after it."""

from misentinel.trail.actions.recording import (
    CONTROL_ALIAS,
    OUT_OF_REACH,
    copy_pending,
    noticing,
    record,
    record_control,
)
from misentinel.trail.actions.sealing import rotate_key, seal

__all__ = [
    "CONTROL_ALIAS",
    "OUT_OF_REACH",
    "copy_pending",
    "noticing",
    "record",
    "record_control",
    "rotate_key",
    "seal",
]
