"""Reading the trail: entries in pages, and the log that proves them."""

from misentinel.trail.queries.entries import LARGEST_PAGE, get_entry, list_entries, list_platform_entries
from misentinel.trail.queries.logs import (
    count_unsealed,
    latest_checkpoint,
    log_of,
    log_state,
    platform_log,
    prove,
    read_file,
    verifier_keys,
    whole_entry,
)

__all__ = [
    "LARGEST_PAGE",
    "count_unsealed",
    "get_entry",
    "latest_checkpoint",
    "list_entries",
    "list_platform_entries",
    "log_of",
    "log_state",
    "platform_log",
    "prove",
    "read_file",
    "verifier_keys",
    "whole_entry",
]
