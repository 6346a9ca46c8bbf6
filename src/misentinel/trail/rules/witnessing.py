"""Talking to witnesses by C2SP tlog-witness: what is sent to `add-checkpoint`, and which cosignatures are believed.

A witness signs that it has seen this checkpoint and that it continues the one it saw before. Trust: it can vouch for
nothing else, learns a log's name, size and root, and by lying together with us could hide a fork from others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from misentinel.trail.rules.encoding import to_base64
from misentinel.trail.rules.notes import KeyType, Note, Signature, VerifierKey

SIZE_TYPE = "text/x.tlog.size"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class Witness:
    """Who cosigns, and where it takes checkpoints (its submission prefix)."""

    key: VerifierKey
    url: str

    @property
    def add_url(self) -> str:
        return f"{self.url.rstrip('/')}/add-checkpoint"


def witnesses_in(text: str) -> list[Witness]:
    """Reads `KEY URL`, with commas between. Raises `ValueError` for what is no witness's key."""
    found = []
    for one in filter(None, map(str.strip, text.split(","))):
        key_text, _, url = one.partition(" ")
        key = VerifierKey.parse(key_text)
        if key.type is not KeyType.COSIGNATURE:
            raise ValueError(f"{key.name} is not the key of a witness, which is one for cosignatures (type 4)")
        found.append(Witness(key, url.strip()))
    return found


def request_body(old: int, proof: Sequence[bytes], checkpoint: Note) -> bytes:
    """Returns what is posted: the size the witness saw last, the proof from there, the checkpoint."""
    lines = [f"old {old}", *map(to_base64, proof), "", str(checkpoint)]
    return "\n".join(lines).encode()


def size_in(body: bytes) -> int:
    """Returns the size of which a witness says that it saw it last (409). Raises `ValueError`."""
    found = _SIZE.fullmatch(body)
    if not found:
        raise ValueError("the witness did not say which size it saw last")
    return int(found[1])


def cosignatures_in(body: bytes, checkpoint: Note, key: VerifierKey) -> list[Signature]:
    """Returns the signature lines of `key` in an answer, verified, and ignores any other. Raises `ValueError`."""
    answer = Note.parse(checkpoint.text + "\n" + body.decode())
    own = tuple(line for line in answer.signatures if (line.name, line.key_id) == (key.name, key.id))
    Note(checkpoint.text, own).verified_by([key])
    return list(own)
