"""The place in force, and copies of what is far away: read once, checked against the manifest, kept by their
SHA-256.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from misentinel.kernel.errors import Misconfigured, Tampered
from misentinel.kernel.settings import Settings, load
from misentinel.trail.archive.contracts import Part
from misentinel.trail.archive.folder import REGION, FolderArchive, digest
from misentinel.trail.archive.ports import ArchivePlace

_COPIES, _COPIES_BYTES = "archive-copies", 20 << 30
_in_force: ArchivePlace | None = None
_checked: dict[tuple[str, int, int], str] = {}


def place() -> ArchivePlace:
    """Returns the place that the settings name, read once in this process. Raises `Misconfigured`."""
    global _in_force
    if _in_force is None:
        _in_force = choose(load())
    return _in_force


@contextmanager
def using(chosen: ArchivePlace) -> Iterator[ArchivePlace]:
    """Puts `chosen` in force for the length of a block."""
    global _in_force
    before, _in_force = _in_force, chosen
    try:
        yield chosen
    finally:
        _in_force = before


def choose(settings: Settings) -> ArchivePlace:
    """Returns the adapter that `settings` name. Raises `Misconfigured` if they make no sense."""
    if settings.archive.startswith("s3:"):
        from misentinel.trail.archive.s3 import S3Archive

        return S3Archive.connect(
            settings.archive,
            region=settings.archive_region,
            endpoint=settings.archive_endpoint,
            glacier_days=settings.archive_glacier_days,
        )
    if not settings.archive:
        return FolderArchive(settings.home / "archive", REGION)
    folder = Path(settings.archive).expanduser()
    if not folder.is_absolute():
        raise Misconfigured("Setting archive must be the whole path of a folder, or s3://BUCKET/PREFIX.")
    return FolderArchive(folder, settings.archive_location)


def local_file(part: Part) -> Path:
    """Returns a file on this machine with the part's bytes, as its manifest has them. Raises `Tampered` where they are
    others, `Cold` while they are in Glacier.
    """
    kept = place()
    file = kept.local(part.key)
    if file is None:
        file = _copies() / f"{part.sha256}.parquet"
        if not file.exists():
            _fetch(kept, part, file)
        os.utime(file)
    if _digest_of(file) != part.sha256:
        raise Tampered(f"{part.key} is not what was archived. Keep it as it is: it is evidence.")
    return file


def _digest_of(file: Path) -> str:
    try:
        told = file.stat()
    except FileNotFoundError:
        raise Tampered(f"{file.name} is gone from the archive, though it was written.") from None
    known = (str(file), told.st_size, told.st_ctime_ns)
    if known not in _checked:
        _checked[known] = digest(file)
    return _checked[known]


def _fetch(kept: ArchivePlace, part: Part, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=to.parent, suffix=".coming")
    os.close(handle)
    coming = Path(name)
    try:
        kept.fetch(part.key, part.version, coming)
        coming.replace(to)
    finally:
        coming.unlink(missing_ok=True)
    _forget_oldest(to.parent)


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.parquet"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > _COPIES_BYTES and file != files[0]:
            file.unlink(missing_ok=True)


def _copies() -> Path:
    return load().home / _COPIES
