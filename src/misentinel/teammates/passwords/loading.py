"""Making the blocklist's file from a list of digests, as breach corpora are handed out.

One digest in hexadecimal on each line, SHA-1 or NTLM, with ":" and a count after it or without. The list is read once,
as a stream, and may be in any order: digests are put into 256 piles by their first byte, and each pile is sorted in
memory. That takes 8 bytes of disk for each digest while it runs, and a 256th of them in memory.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import sys
import tempfile
from array import array
from binascii import unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil, log2
from pathlib import Path

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Invalid
from misentinel.teammates.passwords.blocklist import FILE, HEADER, INDEX_ENTRY, MAGIC, REMAINDER, Kind, Progress

_KEY = 8
_CHUNK = 1 << 20
_BUFFER = 1 << 16
_LONGEST_LINE = 200
_IN_A_BUCKET = 16  # on average: with 24 bits of each, one in a million others is taken for one of them
_MOST = 2**32 - 1
_WRONG_SHOWN = 10
_WRONG_IN = 1_000  # more than one wrong line in so many, and it is no list of digests but something else
_LINES = {
    Kind.SHA1: re.compile(rb"([0-9A-Fa-f]{40})(?::(\d{1,18}))?[ \t]*\r?"),
    Kind.NTLM: re.compile(rb"([0-9A-Fa-f]{32})(?::(\d{1,18}))?[ \t]*\r?"),
}
_ANY = re.compile(rb"(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?::\d{1,18})?\s*")


@dataclass(slots=True)
class Loaded:
    """What was made of a list. `wrong` are the numbers of the first lines that were no digests, of `wrong_lines`."""

    kind: Kind
    lines: int = 0
    digests: int = 0
    wrong_lines: int = 0
    wrong: list[int] = field(default_factory=list)
    size: int = 0


def load(source: Path, home: Path, progress: Progress | None = None) -> Loaded:
    """Makes the file anew and puts it in place by one rename; until then, and after any error, the old one stays.

    `progress` gets bytes read and bytes in all. Raises `Invalid` for what is no list of digests.
    """
    try:
        kind = _kind_of(source)
        with tempfile.TemporaryDirectory(prefix=".blocklist-", dir=home) as folder:
            loaded = Loaded(kind)
            piles = _Piles(Path(folder))
            _read(source, loaded, piles, progress)
            made = Path(folder) / FILE
            _write(made, loaded, piles)
            made.replace(home / FILE)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise Invalid(f"{source} cannot be read: {error.strerror}.") from None
    _sync(home)
    return loaded


class _Piles:
    """Digests by their first byte, on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buffers = [bytearray() for _ in range(256)]
        self.count = 0

    def add(self, digest: bytes) -> None:
        buffer = self._buffers[digest[0]]
        buffer += digest[:_KEY]
        self.count += 1
        if len(buffer) >= _BUFFER:
            self._flush(digest[0])

    def sorted(self) -> Iterator[tuple[int, ...]]:
        """Yields each pile's digests as numbers, all in order."""
        for number in range(256):
            self._flush(number)
            path = self._path(number)
            keys = path.read_bytes()
            path.unlink()
            yield tuple(sorted(struct.unpack(f">{len(keys) // _KEY}Q", keys)))

    def _flush(self, number: int) -> None:
        with self._path(number).open("ab") as file:
            file.write(self._buffers[number])
        self._buffers[number].clear()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:02x}"


def _kind_of(source: Path) -> Kind:
    """Which digests these are, by the first line that is one, which must come soon."""
    with source.open("rb") as file:
        for line in file.read(_CHUNK).removeprefix(b"\xef\xbb\xbf").split(b"\n")[:_WRONG_IN]:
            if _ANY.fullmatch(line):
                return Kind.SHA1 if len(line.partition(b":")[0].strip()) == Kind.SHA1.hex_digits else Kind.NTLM
    raise Invalid(f"{source} is no list of SHA-1 or NTLM digests: none of its first lines is one in hexadecimal.")


def _read(source: Path, loaded: Loaded, piles: _Piles, progress: Progress | None) -> None:
    line = _LINES[loaded.kind]
    total, done = source.stat().st_size, 0
    for lines in _lines(source):
        for text in lines:
            loaded.lines += 1
            done += len(text) + 1
            found = line.fullmatch(text)
            if found is None:
                _note_wrong(loaded, text)
            elif found[2] is None or int(found[2]):  # a count of 0 is padding, in what the range API hands out
                piles.add(unhexlify(found[1][: 2 * _KEY]))
        _refuse_nonsense(source, loaded)
        if progress is not None:
            progress(min(done, total), total)
    _refuse_nonsense(source, loaded, ended=True)
    if not piles.count:
        raise Invalid(f"{source} holds no digest.")
    if piles.count > _MOST:
        raise Invalid(f"{source} holds more than {_MOST:,} digests; keep the most frequent ones.")


def _lines(source: Path) -> Iterator[list[bytes]]:
    """Yields lines in batches, without their ends. A file without lines is not read into memory whole."""
    with source.open("rb") as file:
        rest = file.read(3).removeprefix(b"\xef\xbb\xbf")
        while chunk := file.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise Invalid(f"{source} is no list of digests: it has lines of more than {_LONGEST_LINE} characters.")
            yield lines
        if rest:
            yield [rest]


def _note_wrong(loaded: Loaded, text: bytes) -> None:
    if not text.strip():
        return
    loaded.wrong_lines += 1
    if len(loaded.wrong) < _WRONG_SHOWN:
        loaded.wrong.append(loaded.lines)


def _refuse_nonsense(source: Path, loaded: Loaded, *, ended: bool = False) -> None:
    """A stray line is told and left out; a list with many is not what somebody meant to load."""
    if loaded.wrong_lines * _WRONG_IN > loaded.lines and (ended or loaded.wrong_lines > _WRONG_SHOWN):
        numbers = ", ".join(map(str, loaded.wrong))
        raise Invalid(
            f"{source} is no list of {loaded.kind.title} digests: {loaded.wrong_lines:,} of {loaded.lines:,} lines are "
            f"none, the first of them number {numbers}. Nothing was loaded."
        )


def _write(made: Path, loaded: Loaded, piles: _Piles) -> None:
    bits = max(0, ceil(log2(piles.count / _IN_A_BUCKET))) if piles.count > _IN_A_BUCKET else 0
    places = array("I", bytes(4 * (2**bits + 1)))
    with made.open("wb+") as file:
        file.seek(HEADER.size + INDEX_ENTRY * len(places))
        for keys in piles.sorted():
            _write_pile(file.write, keys, bits, places)
        loaded.digests = sum(places)
        _accumulate(places)
        file.seek(0)
        at = int(now().timestamp())
        file.write(HEADER.pack(MAGIC, loaded.kind.value, bits, 0, loaded.digests, at))
        file.write(places.tobytes())
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())
    loaded.size = made.stat().st_size


def _write_pile(write: Callable[[bytearray], object], keys: tuple[int, ...], bits: int, places: array[int]) -> None:
    """Writes what the buckets hold of sorted digests, and counts it, each one place further on."""
    held, last = bytearray(), -1
    for key in keys:
        short = key >> (64 - 8 * REMAINDER - bits)
        if short != last:  # a digest that came twice, or another that begins alike
            places[(short >> 8 * REMAINDER) + 1] += 1
            held += (short & 0xFFFFFF).to_bytes(REMAINDER)
            last = short
    write(held)


def _accumulate(places: array[int]) -> None:
    """Turns how many each bucket holds into where each begins; the last place is the end."""
    so_far = 0
    for bucket, count in enumerate(places):
        so_far += count
        places[bucket] = so_far
    if sys.byteorder == "big":
        places.byteswap()


def _sync(folder: Path) -> None:
    """Makes a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
