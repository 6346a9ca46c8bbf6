"""Reading the trail: entries in pages, and the log that proves them."""

from misentinel.trail.queries.entries import (
    LARGEST_PAGE,
    all_entries,
    get_entry,
    list_entries,
    list_platform_entries,
)
from misentinel.trail.queries.following import follow, newest_index, places_of
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
from misentinel.trail.queries.readers import complete_since, list_readers

__all__ = [
    "LARGEST_PAGE",
    "all_entries",
    "complete_since",
    "count_unsealed",
    "follow",
    "get_entry",
    "latest_checkpoint",
    "list_entries",
    "list_platform_entries",
    "list_readers",
    "log_of",
    "log_state",
    "newest_index",
    "places_of",
    "platform_log",
    "prove",
    "read_file",
    "verifier_keys",
    "whole_entry",
]
