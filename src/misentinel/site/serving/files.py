"""Files that are there whole or not at all, however the writing ends."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from misentinel.kernel.errors import Unavailable


def ensure_folder(path: Path) -> Path:
    """Make `path`, readable by its owner alone. Raises `Unavailable` with what stands in the way."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The folder {path} cannot be made: {error.strerror}.") from error
    return path


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `content` in one step; it has `mode` before the first byte of it is on disk.

    Raises `Unavailable`, for example for a full disk; the file that was there before is then untouched.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.") from error
