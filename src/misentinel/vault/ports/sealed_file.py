"""The root key in a local file that only its owner may read.

One line: `misentinel-root-key 1 <key id> <key>`, in hexadecimal. The key id is derived from the key, so a damaged file
is found when it is read, and a wrong one when the first key is unwrapped: every wrapped value names its root key.
Not for a fleet: whoever copies the disk copies the key. docs/decisions/keys-and-sealing.md says when to use AWS KMS.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from misentinel.kernel.errors import Misconfigured
from misentinel.vault import rules

_LABEL = "misentinel-root-key"
_VERSION = "1"
_MAGIC = b"MSRF"
_ID_BYTES = 8
_OTHERS_MAY = stat.S_IXUSR | stat.S_IRWXG | stat.S_IRWXO


class SealedFileRootKey:
    """The adapter over one file. Holds the key in memory for the life of the process."""

    def __init__(self, key: bytes, where: str = "the root key file") -> None:
        self._cipher = rules.Cipher(key)
        self._id = _key_id(key)
        self._where = where

    @classmethod
    def load(cls, path: Path) -> SealedFileRootKey:
        """Raises `Misconfigured` if the file is missing, readable by others, somebody else's, or damaged."""
        return cls(_parse(_read_private(path), path), str(path))

    @classmethod
    def create(cls, path: Path) -> SealedFileRootKey:
        """Makes a new root key at `path`, or loads the one that another process made at the same moment.

        The file appears whole, or not at all, and is on the disk before this returns.
        """
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_private(draft, _line(rules.new_key()))
            os.link(draft, path)  # unlike a rename, this cannot replace a key that is already there
        except OSError as error:
            if not path.exists():
                raise Misconfigured(f"The root key file {path} cannot be created: {error.strerror}.") from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return cls.load(path)

    @property
    def name(self) -> str:
        return f"file:{self._id.hex()}"

    def wrap(self, plaintext: bytes, context: dict[str, str]) -> bytes:
        return _MAGIC + self._id + self._cipher.seal(_associated(context), plaintext)

    def unwrap(self, wrapped: bytes, context: dict[str, str]) -> bytes:
        wrapped = bytes(wrapped)
        start = len(_MAGIC) + _ID_BYTES
        if wrapped[:start] != _MAGIC + self._id:
            raise Misconfigured(
                f"The vault was sealed with root key {_name_of(wrapped)}, but {self._where} holds {self.name}: "
                "put the right root key back, or set root_key and root_key_file to where it is."
            )
        return self._cipher.open(_associated(context), wrapped[start:])

    def __repr__(self) -> str:
        return f"SealedFileRootKey({self.name}, key hidden)"


def _name_of(wrapped: bytes) -> str:
    if wrapped[:4] == _MAGIC:
        return f"file:{wrapped[4 : 4 + _ID_BYTES].hex()}"
    return "of another kind"


def _key_id(key: bytes) -> bytes:
    return rules.derive(key, "root key id", _ID_BYTES)


def _associated(context: dict[str, str]) -> bytes:
    return rules.framed(*_flat(sorted(context.items())))


def _flat(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [text for pair in pairs for text in pair]


def _line(key: bytes) -> bytes:
    return f"{_LABEL} {_VERSION} {_key_id(key).hex()} {key.hex()}\n".encode("ascii")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask left out
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_private(path: Path) -> bytes:
    """Reads through one descriptor, so that what was checked is what is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Misconfigured(
            f"The root key file {path} does not exist: without it nothing in the vault opens. "
            "Restore it from where you keep its copy, or set root_key_file."
        ) from None
    except OSError as error:
        raise Misconfigured(f"The root key file {path} cannot be read: {error.strerror}.") from error
    try:
        _refuse_loose(os.fstat(descriptor), path)
        return os.read(descriptor, 1024)
    finally:
        os.close(descriptor)


def _refuse_loose(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Misconfigured(f"The root key {path} is not a regular file.")
    if found.st_uid != os.geteuid():
        raise Misconfigured(
            f"The root key file {path} belongs to user {found.st_uid}, but this runs as user {os.geteuid()}: "
            "it must belong to who runs the program."
        )
    if found.st_mode & _OTHERS_MAY:
        mode = stat.S_IMODE(found.st_mode)
        raise Misconfigured(
            f"The root key file {path} has mode {mode:04o}, which lets others at it: chmod 600 {path}, and if others "
            "could read it, rotate."
        )


def _parse(content: bytes, path: Path) -> bytes:
    damaged = Misconfigured(f"The root key file {path} is damaged: restore it from where you keep its copy.")
    try:
        label, version, key_id, key_text = content.decode("ascii").split()
        key = bytes.fromhex(key_text)
    except ValueError:
        raise damaged from None
    if label == _LABEL and version != _VERSION:
        raise Misconfigured(f"The root key file {path} was made by a later version of this program.")
    if label != _LABEL or len(key) != rules.KEY_BYTES or key_id != _key_id(key).hex():
        raise damaged
    return key
