"""Merkle trees by RFC 6962, section 2.1: hashing, inclusion and consistency proofs, and their verification.

A tree is read through `Nodes`: a function that returns the hash of one full subtree, `level` being the height of the
subtree and `index` its position at that height. Tiles are one way to keep them (`tiles.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
Nodes = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Returns the root over `hashes`, one after the other: a power of two of neighbouring subtrees of equal height."""
    sha256, pair = hashlib.sha256, 2 * HASH_BYTES
    while len(hashes) > HASH_BYTES:
        hashes = b"".join([sha256(b"\x01" + hashes[i : i + pair]).digest() for i in range(0, len(hashes), pair)])
    return hashes


def root_of(size: int, nodes: Nodes) -> bytes:
    """Returns the root of the tree over the first `size` entries."""
    return _range_hash(0, size, nodes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Returns the path from the entry at `index` to the root over `size` entries, the leaf's sibling first.

    Raises `ValueError` unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in a tree of {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_hash(middle, end, nodes))
            end = middle
        else:
            proof.append(_range_hash(start, middle, nodes))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, size: int, nodes: Nodes) -> list[bytes]:
    """Returns what shows that the first `old` of `size` entries are unchanged. Raises `ValueError` unless
    0 <= old <= size.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {old} is no beginning of one of {size}")
    if old in (0, size):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, size, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_hash(middle, end, nodes))
            end = middle
        else:
            proof.append(_range_hash(start, middle, nodes))
            start, whole = middle, False
    return ([] if whole else [_range_hash(start, end, nodes)]) + proof[::-1]


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Iterable[bytes], root: bytes) -> bool:
    """Says whether `proof` shows that `leaf`, a leaf hash, is at `index` of the tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node_hash(step, found)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, step)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root


def proves_consistency(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Says whether `proof` shows that the tree of `old` entries begins that of `size` (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    here, last = old - 1, size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, step)
        here, last = here >> 1, last >> 1
    return last == 0 and first == old_root and second == root


def _range_hash(start: int, end: int, nodes: Nodes) -> bytes:
    """The hash over entries `start` to `end`, where `start` is a multiple of the power of two that holds the range."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range_hash(start, middle, nodes), _range_hash(middle, end, nodes))


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)
