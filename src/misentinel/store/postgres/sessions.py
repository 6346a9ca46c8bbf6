"""How a database session of the program is told from anybody else's: by the name that it signs in under.

PostgreSQL writes down for every login the role, the database and the name the client gave itself (`application_name`).
Ours is a MAC over role and database under a key in the home folder, so whoever comes by a role's password alone cannot
make it.

Trust: who can read `session-names.key`, or the memory of a process, can sign in under our name. To have seen the name
in the database one must have signed in there before, which was noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from misentinel.kernel import settings

_PREFIX = "misentinel-"


def own_name(role: str, database: str) -> str:
    """Returns the name under which this installation signs in to `database` as `role`; at most 63 bytes."""
    return _PREFIX + hmac.new(_key(_file()), f"{role}\0{database}".encode(), hashlib.sha256).hexdigest()[:40]


def is_own(role: str, database: str, name: str) -> bool:
    return hmac.compare_digest(own_name(role, database).encode(), name.encode())


def _file() -> Path:
    return settings.load().home / "session-names.key"


@lru_cache(maxsize=4)
def _key(file: Path) -> bytes:
    """Reads the key, made by whichever process comes first. Linked into place whole, so nobody reads half of one."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(16)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(32))
            os.fsync(descriptor)
            os.close(descriptor)
            with contextlib.suppress(FileExistsError):  # another process was first, and its key is the one
                os.link(fresh, file)
        finally:
            fresh.unlink()
    return file.read_bytes()
