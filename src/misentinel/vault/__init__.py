"""The vault: every key there is, and the only code that wraps, seals, opens, makes tokens and shreds.

Promises: what is sealed opens only with the same key in the same place, or not at all; a destroyed key leaves a
tombstone that forbids a new one; a customer's key can be rotated without touching anything sealed under it.
It holds no personal data, knows no stores, and keeps its own database, so that no backup of data holds a key.
"""
