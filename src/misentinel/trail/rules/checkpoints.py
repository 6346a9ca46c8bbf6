"""Checkpoints by C2SP tlog-checkpoint, and proofs that travel alone by C2SP tlog-proof."""

from __future__ import annotations

import re
from dataclasses import dataclass

from misentinel.trail.rules.encoding import from_base64, to_base64
from misentinel.trail.rules.merkle import HASH_BYTES, leaf_hash, proves_inclusion
from misentinel.trail.rules.notes import KeyType, Note, VerifierKey

PROOF_HEADING = "c2sp.org/tlog-proof@v1"
_MOST_STEPS = 63
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its origin, how many entries it has, and the root of the tree over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(line + "\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Reads the text of a checkpoint's note. Raises `ValueError`."""
        lines = text.removesuffix("\n").split("\n")
        if not text.endswith("\n") or len(lines) < 3 or not all(lines):
            raise ValueError("a checkpoint is an origin, a size and a root")
        return cls(lines[0], _number(lines[1]), _hash(lines[2]), tuple(lines[3:]))


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in a log, whole in itself: its index, the path to the root, and the signed checkpoint."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None = None

    def __str__(self) -> str:
        extra = [] if self.extra is None else [f"extra {to_base64(self.extra)}"]
        path = [to_base64(step) for step in self.path]
        return "\n".join([PROOF_HEADING, *extra, f"index {self.index}", *path, "", str(self.checkpoint)])

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Reads a `.tlog-proof`. Raises `ValueError`."""
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines[0] != PROOF_HEADING:
            raise ValueError(f"a proof begins with {PROOF_HEADING}")
        rest = lines[1:]
        extra = None
        if rest and rest[0].startswith("extra "):
            extra = from_base64(rest.pop(0).removeprefix("extra "))
        if not rest or not rest[0].startswith("index "):
            raise ValueError("a proof names the index of its entry")
        if len(rest) > _MOST_STEPS + 1:
            raise ValueError("a proof has at most 63 steps")
        return cls(_number(rest[0].removeprefix("index ")), tuple(map(_hash, rest[1:])), Note.parse(note), extra)

    def verify(self, entry: bytes, origin: str, keys: list[VerifierKey], witnesses: int = 0) -> Checkpoint:
        """Returns the checkpoint that holds `entry`. Raises `ValueError`, saying what does not hold."""
        found, _ = trusted(self.checkpoint, origin, keys, witnesses)
        if not proves_inclusion(leaf_hash(entry), self.index, found.size, self.path, found.root):
            raise ValueError("the entry is not at this index of the log")
        return found


def trusted(note: Note, origin: str, keys: list[VerifierKey], witnesses: int = 0) -> tuple[Checkpoint, list[str]]:
    """Returns the checkpoint in `note` and who signed it: the log of `origin` itself, and at least so many witnesses.

    Raises `ValueError`, saying what is missing. A witness's word alone makes nothing a checkpoint of the log.
    """
    signed = note.verified_by(keys)
    found = Checkpoint.parse(note.text)
    if found.origin != origin:
        raise ValueError(f"this is a checkpoint of {found.origin}, not of {origin}")
    if not any(key.type is KeyType.NOTE and key.name == origin for key in signed):
        raise ValueError(f"{origin} itself did not sign it")
    names = sorted({key.name for key in signed if key.type is KeyType.COSIGNATURE})
    if len(names) < witnesses:
        raise ValueError(f"{len(names)} of {witnesses} witnesses signed it")
    return found, [origin, *names]


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text[:20]!r}")
    return int(text)


def _hash(text: str) -> bytes:
    value = from_base64(text)
    if len(value) != HASH_BYTES:
        raise ValueError("a hash has 32 bytes")
    return value
