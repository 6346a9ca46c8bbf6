"""The operator's breach corpus, looked up by every process: digests of passwords that leaked somewhere.

One file in the home folder, mapped into memory and never read whole: the digests, sorted and cut short. The first bits
of a digest choose a bucket, whose place an index tells; the next 24 bits are what the bucket holds. See
docs/decisions/breach-corpus.md for why this and not a Bloom or fuse filter.

A new file is put in place by one rename, and each look-up notices that: no process has to be restarted. Whoever can
write to the home folder could empty it; whoever can only read it learns digests that were public before.
"""

from __future__ import annotations

import hashlib
import hmac
import mmap
import os
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from misentinel.kernel import settings
from misentinel.kernel.errors import Unavailable
from misentinel.teammates.passwords.md4 import ntlm

FILE = "passwords.blocklist"
MAGIC = b"MSPWBL01"
HEADER = struct.Struct("<8sBBHQQ")  # magic, kind, bits of the bucket, 0, digests, seconds since 1970
INDEX_ENTRY, REMAINDER, CHECKSUM = 4, 3, 32
Progress = Callable[[int, int], None]


class Kind(Enum):
    """What the digests are. The value is stored."""

    SHA1 = 1
    NTLM = 2

    @property
    def title(self) -> str:
        return "SHA-1" if self is Kind.SHA1 else "NTLM"

    @property
    def hex_digits(self) -> int:
        return 40 if self is Kind.SHA1 else 32

    def digest(self, password: str) -> bytes:
        if self is Kind.NTLM:
            return ntlm(password)
        # Lists of leaked passwords hold SHA-1; a password is looked up in them, and nothing is proved with it.
        spelt = password.encode("utf-8", "surrogatepass")
        return hashlib.sha1(spelt, usedforsecurity=False).digest()  # nosemgrep: no-weak-digest


@dataclass(frozen=True, slots=True)
class Status:
    """What is in force. `false_positives`: how likely a password that never leaked is taken for one that did."""

    kind: Kind
    digests: int
    bits: int
    size: int
    loaded_at: datetime

    @property
    def false_positives(self) -> float:
        return float(self.digests) / float(1 << (self.bits + 8 * REMAINDER))


class Blocklist:
    """One file, mapped. Raises `Unavailable` for one that is not whole."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._size = os.fstat(descriptor).st_size
        if self._size < HEADER.size + CHECKSUM:
            raise _broken(path)
        self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        magic, kind, bits, _, digests, at = HEADER.unpack_from(self._map)
        self._first = HEADER.size + INDEX_ENTRY * (2**bits + 1)
        whole = self._first + REMAINDER * digests + CHECKSUM
        if magic != MAGIC or kind not in {one.value for one in Kind} or self._size != whole:
            raise _broken(path)
        self.status = Status(Kind(kind), digests, bits, self._size, datetime.fromtimestamp(at, UTC))

    def holds(self, password: str) -> bool:
        bucket, remainder = split(self.status.kind.digest(password), self.status.bits)
        start, end = struct.unpack_from("<2I", self._map, HEADER.size + INDEX_ENTRY * bucket)
        held = self._map[self._first + REMAINDER * start : self._first + REMAINDER * end]
        return any(held[i : i + REMAINDER] == remainder for i in range(0, len(held), REMAINDER))

    def is_whole(self, progress: Progress | None = None) -> bool:
        """Reads it all and compares the checksum at its end."""
        digest, step = hashlib.sha256(), 1 << 22
        end = self._size - CHECKSUM
        for offset in range(0, end, step):
            digest.update(self._map[offset : min(offset + step, end)])
            if progress is not None:
                progress(min(offset + step, end), end)
        return hmac.compare_digest(digest.digest(), self._map[end:])


def split(digest: bytes, bits: int) -> tuple[int, bytes]:
    """Returns a digest's bucket, its first `bits` bits, and what the bucket holds of it, the next 24."""
    key = int.from_bytes(digest[:8])
    return key >> (64 - bits), (key >> (40 - bits) & 0xFFFFFF).to_bytes(REMAINDER)


def path() -> Path:
    return settings.load().home / FILE


def find() -> Blocklist | None:
    """Returns what is in force now, None where the operator has loaded nothing. Raises `Unavailable`."""
    return _mapped.current(path())


def leaked(*spellings: str) -> bool:
    """Says whether a password, in any of its spellings, is in the corpus. Raises `Unavailable`."""
    found = find()
    return found is not None and any(found.holds(one) for one in set(spellings))


class _Mapped:
    """The file that was mapped last, for as long as it is the one in place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[tuple[object, ...], Blocklist] | None = None

    def current(self, path: Path) -> Blocklist | None:
        try:
            seen = path.stat()
        except FileNotFoundError:
            return None
        mark = (path, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)
        with self._lock:
            if self._known is None or self._known[0] != mark:
                with path.open("rb") as file:
                    self._known = mark, Blocklist(path, file.fileno())
            return self._known[1]


_mapped = _Mapped()


def _broken(path: Path) -> Unavailable:
    return Unavailable(f"The list of leaked passwords, {path}, is not whole. Load it again: misentinel passwords load.")
