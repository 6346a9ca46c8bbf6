"""MD4 (RFC 1320), only to look a password up in lists of NTLM digests. Nothing is kept or proved with it.

OpenSSL 3 has it in its legacy provider alone, which is off, and no package we use has it.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_ROUNDS = (
    (0, (3, 7, 11, 19), range(16)),
    (0x5A827999, (3, 5, 9, 13), (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
    (0x6ED9EBA1, (3, 9, 11, 15), (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)),
)


def ntlm(password: str) -> bytes:
    """Returns the 16 bytes that lists of NTLM digests hold in hexadecimal."""
    return md4(password.encode("utf-16-le", "surrogatepass"))


def md4(message: bytes) -> bytes:
    padded = message + b"\x80" + bytes((55 - len(message)) % 64) + struct.pack("<Q", len(message) * 8)
    state: tuple[int, ...] = _START
    for offset in range(0, len(padded), 64):
        state = _compress(state, struct.unpack_from("<16I", padded, offset))
    return struct.pack("<4I", *state)


def _compress(state: tuple[int, ...], words: tuple[int, ...]) -> tuple[int, ...]:
    a, b, c, d = state
    for number, (constant, shifts, order) in enumerate(_ROUNDS):
        for step, index in enumerate(order):
            mixed = (a + _mix(number, b, c, d) + words[index] + constant) & _MASK
            shift = shifts[step % 4]
            a, b, c, d = d, (mixed << shift | mixed >> (32 - shift)) & _MASK, b, c
    return tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))


def _mix(number: int, b: int, c: int, d: int) -> int:
    if number == 0:
        return (b & c) | (~b & d)
    return (b & c) | (b & d) | (c & d) if number == 1 else b ^ c ^ d
