"""The port to where archived objects are kept.

Trust: whoever runs the place can refuse to give an object back, or give another one: the manifest's SHA-256 shows
it. On S3 nobody, not the account's own administrators, can change or delete an object before its retention is over
(Object Lock, mode COMPLIANCE). In a folder that is the file system's permissions and this program's manners: who
owns the machine can delete it, and cannot hide that.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from misentinel.trail.archive.contracts import Stored


class ArchivePlace(Protocol):
    """Keeps objects by key. A key may have several versions; only the one that is named is meant."""

    @property
    def name(self) -> str:
        """What it is and where, without a secret: `folder:/srv/archive`, `s3://bucket/prefix`."""
        ...

    @property
    def region(self) -> str:
        """The `region=` of its keys."""
        ...

    def prepare(self) -> None:
        """Raises `Misconfigured` unless the place is in the United Kingdom and can lock what it keeps."""
        ...

    def put(self, key: str, file: Path, sha256: str, *, retain_until: datetime, held: bool) -> str:
        """Keeps the file, locked until then, and returns its version. The same bytes again give the version there
        is.
        """
        ...

    def look(self, key: str, version: str = "") -> Stored | None:
        """Tells of an object without reading it; of its newest version, where none is named."""
        ...

    def fetch(self, key: str, version: str, to: Path) -> None:
        """Writes the object to `to`. Raises `Cold`, or `NotFound`."""
        ...

    def restore(self, key: str, version: str, *, days: int) -> None:
        """Asks for a cold object to be readable for so many days. Hours may pass; `look` tells."""
        ...

    def retain(self, key: str, version: str, until: datetime) -> None:
        """Keeps it longer. Raises `Refused` for a time before the one that is promised."""
        ...

    def hold(self, key: str, version: str, *, held: bool) -> None:
        """Forbids removing it, whatever its retention, or no longer does."""
        ...

    def remove(self, key: str, version: str) -> None:
        """Removes it for good. Raises `Refused` while it is retained or held."""
        ...

    def local(self, key: str) -> Path | None:
        """The file that is the object itself, where the place is on this machine."""
        ...
