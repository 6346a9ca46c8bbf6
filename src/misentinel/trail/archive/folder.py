"""The archive in a folder: on this machine, or on a file system of the operator's that is mounted here."""

from __future__ import annotations

import hashlib
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from misentinel.kernel import canonical
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Misconfigured, NotFound, Refused
from misentinel.trail.archive.contracts import Stored

REGION = "GB"
_TERMS, _ASIDE = ".terms", ".aside"
_READ_ONLY = 0o444


class FolderArchive:
    """One file for each object, read-only, and what was promised of it in `.terms` beside. It has one version: its
    SHA-256.
    """

    def __init__(self, root: Path, location: str) -> None:
        if location != REGION:
            raise Misconfigured(
                f"Setting archive_location is {location!r}: the archive is only ever kept in the United Kingdom (GB)."
            )
        self._root = root
        self.region = REGION

    @property
    def name(self) -> str:
        return f"folder:{self._root}"

    def prepare(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Misconfigured(f"The archive's folder {self._root} cannot be made: {error.strerror}.") from error

    def put(self, key: str, file: Path, sha256: str, *, retain_until: datetime, held: bool) -> str:
        path = self._path(key)
        there = self.look(key)
        if there is not None and there.sha256 == sha256:
            return sha256
        if there is not None:
            self._set_aside(path, there)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._promise(key, {"sha256": sha256, "retain_until": retain_until.isoformat(), "held": held})
        coming = path.with_name(path.name + ".coming")
        shutil.copyfile(file, coming)
        _settle(coming)
        coming.replace(path)
        _settle(path.parent)
        path.chmod(_READ_ONLY)
        return sha256

    def look(self, key: str, version: str = "") -> Stored | None:
        path = self._path(key)
        try:
            told = canonical.loads(self._terms(key).read_bytes())
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        if version and version != told["sha256"]:
            return None
        return Stored(
            size, told["sha256"], told["sha256"], datetime.fromisoformat(told["retain_until"]), bool(told["held"])
        )

    def fetch(self, key: str, version: str, to: Path) -> None:
        self._there(key, version)
        shutil.copyfile(self._path(key), to)

    def restore(self, key: str, version: str, *, days: int) -> None:
        self._there(key, version)  # a folder has no cold tier

    def retain(self, key: str, version: str, until: datetime) -> None:
        there = self._there(key, version)
        refuse_shortening(there, until)
        self._promise(key, {"sha256": there.sha256, "retain_until": until.isoformat(), "held": there.held})

    def hold(self, key: str, version: str, *, held: bool) -> None:
        there = self._there(key, version)
        until = there.retain_until or now()
        self._promise(key, {"sha256": there.sha256, "retain_until": until.isoformat(), "held": held})

    def remove(self, key: str, version: str) -> None:
        refuse_removal(self._there(key, version))
        self._path(key).unlink()
        self._terms(key).unlink()

    def local(self, key: str) -> Path | None:
        return self._path(key)

    def _set_aside(self, path: Path, there: Stored) -> None:
        """What was written under this key before and is not what is to be there stays, where nobody reads it as
        rows.
        """
        aside = self._root / _ASIDE / f"{path.relative_to(self._root)}.{there.sha256}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.replace(aside)

    def _there(self, key: str, version: str) -> Stored:
        found = self.look(key, version)
        if found is None:
            raise NotFound(f"The archive has no object {key}. Look at {self.name}.")
        return found

    def _path(self, key: str) -> Path:
        path = self._root / key
        if ".." in Path(key).parts or not path.is_relative_to(self._root):
            raise NotFound(f"{key} is no key of an archive.")
        return path

    def _terms(self, key: str) -> Path:
        return self._root / _TERMS / f"{key}.json"

    def _promise(self, key: str, told: dict[str, Any]) -> None:
        path = self._terms(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        coming = path.with_name(path.name + ".coming")
        coming.write_bytes(canonical.dumps(told))
        coming.replace(path)


def refuse_shortening(there: Stored, until: datetime) -> None:
    if there.retain_until is not None and until < there.retain_until:
        raise Refused(f"This is kept until {there.retain_until:%Y-%m-%d}. Retention may be made longer, never shorter.")


def refuse_removal(there: Stored) -> None:
    if there.held:
        raise Refused("This is on legal hold. Lift the hold before removing it.")
    if there.retain_until is not None and there.retain_until > now():
        raise Refused(f"This is kept until {there.retain_until:%Y-%m-%d}, and cannot be removed before.")


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _settle(path: Path) -> None:
    """Makes sure that it is on the disk, not only in its cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
