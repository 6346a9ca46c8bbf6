"""Reading the vault: keys that seal and open, tokens, and the service's own secrets.

Unwrapped keys are held in the process for at most `contracts.CACHE_SECONDS` after they were read. So a key destroyed by
another process can still be used here for that long, and no longer; this process drops it at once.
"""

from misentinel.vault.queries.customers import tokens
from misentinel.vault.queries.held import drop_held_keys
from misentinel.vault.queries.people import person_keys
from misentinel.vault.queries.service import open_secret, seal_secret, service_key

__all__ = [
    "drop_held_keys",
    "open_secret",
    "person_keys",
    "seal_secret",
    "service_key",
    "tokens",
]
