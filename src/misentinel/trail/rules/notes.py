"""Signed notes by C2SP signed-note, with Ed25519 keys, and cosignatures by C2SP tlog-cosignature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from misentinel.trail.rules.encoding import from_base64, to_base64

MOST_SIGNATURES = 100
_ID_BYTES, _KEY_BYTES, _TIME_BYTES = 4, 32, 8
_DASH = "— "


class KeyType(IntEnum):
    """What a key signs: notes (1), or checkpoints of others as a witness with its time (4)."""

    NOTE = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name."""

    name: str
    public: bytes
    type: KeyType = KeyType.NOTE

    @property
    def id(self) -> bytes:
        told = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return hashlib.sha256(told).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """The vkey: name, id and key in one line of text."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Reads a vkey. Raises `ValueError` for a wrong form, an unknown type, or an id that is not the key's."""
        name, plus, rest = text.partition("+")
        key_id, plus_too, encoded = rest.partition("+")
        if not plus or not plus_too or not _is_name(name):
            raise ValueError("a verifier key is NAME+ID+KEY")
        material = from_base64(encoded)
        if len(material) != 1 + _KEY_BYTES or material[0] not in set(KeyType):
            raise ValueError("this is not an Ed25519 verifier key")
        key = cls(name, material[1:], KeyType(material[0]))
        if key.id.hex() != key_id:
            raise ValueError("the id of this verifier key is not that of its key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed, with which key, and the signature."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, ending in a newline, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line for signature in self.signatures)

    @classmethod
    def parse(cls, data: bytes | str) -> Note:
        """Reads a signed note. Raises `ValueError`, saying what is wrong with it."""
        told = data.decode() if isinstance(data, bytes) else data  # UnicodeDecodeError is a ValueError
        if any(ord(character) < 0x20 and character != "\n" for character in told):
            raise ValueError("a note holds no control characters")
        text, blank, lines = told.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise ValueError("a note is a text, an empty line, and signatures")
        signatures = tuple(map(_signature, lines.removesuffix("\n").split("\n")))
        if len(signatures) > MOST_SIGNATURES:
            raise ValueError(f"a note has at most {MOST_SIGNATURES} signatures here")
        return cls(text + "\n", signatures)

    def verified_by(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Returns which of `keys` signed. Raises `ValueError` if none did, or if one of them is forged."""
        known = {(key.name, key.id): key for key in keys}
        found: list[VerifierKey] = []
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is None:
                continue
            if not _is_signed(key, self.text, signature.value):
                raise ValueError(f"the signature of {key.name} is forged")
            if key not in found:
                found.append(key)
        if not found:
            raise ValueError("nobody known signed this")
        return found

    def also(self, signatures: Iterable[Signature]) -> Note:
        return Note(self.text, (*self.signatures, *signatures))


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name."""

    name: str
    private: Ed25519PrivateKey
    type: KeyType = KeyType.NOTE

    @property
    def key(self) -> VerifierKey:
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw(), self.type)

    def sign(self, text: str) -> Signature:
        """Signs a note's text, which ends in a newline."""
        return Signature(self.name, self.key.id, self.private.sign(text.encode()))

    def cosign(self, text: str, seconds: int) -> Signature:
        """Signs a checkpoint of somebody else's log as seen at `seconds` since 1970."""
        signed = self.private.sign(_cosigned(text, seconds))
        return Signature(self.name, self.key.id, seconds.to_bytes(_TIME_BYTES, "big") + signed)


def _is_signed(key: VerifierKey, text: str, value: bytes) -> bool:
    message = text.encode()
    if key.type is KeyType.COSIGNATURE:
        message = _cosigned(text, int.from_bytes(value[:_TIME_BYTES], "big"))
        value = value[_TIME_BYTES:]
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(value, message)
    except InvalidSignature:
        return False
    return True


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not _is_name(name):
        raise ValueError("a signature line is a dash, a name and a signature")
    value = from_base64(encoded)
    if len(value) <= _ID_BYTES:
        raise ValueError("a signature is longer than its key's id")
    return Signature(name, value[:_ID_BYTES], value[_ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)
