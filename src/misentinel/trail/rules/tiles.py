"""Tiles and entry bundles by C2SP tlog-tiles: 256 hashes or entries each, the last of a level perhaps partial."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from misentinel.trail.rules.merkle import HASH_BYTES, Nodes, fold, leaf_hash

WIDTH = 256
HEIGHT = 8
LARGEST_ENTRY = 65_535  # a bundle's length prefix is 16 bits
ReadTile = Callable[[int, int, int], bytes]
"""Returns the bytes of the tile at (level, index), of which the first `width` hashes are needed."""
_PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?")


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile a path names; `level` None is an entry bundle, `width` 256 a full one."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        level = "entries" if self.level is None else str(self.level)
        return f"tile/{level}/{number}" + (f".p/{self.width}" if self.width < WIDTH else "")


def parse_path(path: str) -> TileName | None:
    """Reads the path of a tile; None for anything that is not spelled exactly as the specification spells it."""
    found = _PATH.fullmatch(path)
    if not found:
        return None
    level, number, width = found.groups()
    name = TileName(
        None if level == "entries" else int(level), int(number.replace("x", "").replace("/", "")), int(width or WIDTH)
    )
    well_formed = (name.level or 0) <= 63 and (not width or name.width < WIDTH) and name.path == path
    return name if well_formed else None


def tiles_of(size: int, since: int = 0) -> Iterator[TileName]:
    """Yields the hash tiles of a tree of `size` entries that are not in a tree of `since`: what growing adds."""
    level = 0
    while size >> (HEIGHT * level):
        now, before = size >> (HEIGHT * level), since >> (HEIGHT * level)
        yield from _names(level, now, before)
        level += 1


def bundles_of(size: int, since: int = 0) -> Iterator[TileName]:
    """Yields the entry bundles of a log of `size` entries that are not in one of `since`."""
    yield from _names(None, size, since)


def _names(level: int | None, count: int, before: int) -> Iterator[TileName]:
    if count == before:
        return
    for index in range(before // WIDTH, count // WIDTH):
        yield TileName(level, index)
    if count % WIDTH:
        yield TileName(level, count // WIDTH, count % WIDTH)


def grow(size: int, leaves: list[bytes], read: ReadTile) -> dict[tuple[int, int], bytes]:
    """Returns the tiles, by level and index, that change when `leaves` are added to a tree of `size` entries."""
    changed: dict[tuple[int, int], bytes] = {}
    level, count, new = 0, size, leaves
    while new:
        index, filled = divmod(count, WIDTH)
        held = read(level, index, filled)[: filled * HASH_BYTES] if filled else b""
        hashes = held + b"".join(new)
        tile_bytes = WIDTH * HASH_BYTES
        new = []
        for at in range(0, len(hashes), tile_bytes):
            tile = hashes[at : at + tile_bytes]
            changed[level, index] = tile
            index += 1
            if len(tile) == tile_bytes:
                new.append(fold(tile))
        level, count = level + 1, count >> HEIGHT
    return changed


def nodes_in(read: ReadTile) -> Nodes:
    """Returns how `merkle` reads a tree that is kept in tiles. Raises `ValueError` for a tile that is too short."""

    def node(height: int, index: int) -> bytes:
        level, within = divmod(height, HEIGHT)
        first = index << within
        tile, offset = divmod(first, WIDTH)
        count = 1 << within
        held = read(level, tile, offset + count)
        hashes = held[offset * HASH_BYTES : (offset + count) * HASH_BYTES]
        if len(hashes) != count * HASH_BYTES:
            raise ValueError(f"{TileName(level, tile).path} is too short")
        return fold(hashes)

    return node


def tiles_for_proof(index: int, size: int) -> list[tuple[int, int]]:
    """Returns which tiles, by level and index, hold everything that proves the entry at `index` of `size`.

    Of each level the one above the entry, and the last one: what is to the right of the path lies in these two.
    """
    wanted, level = set(), 0
    while count := size >> (HEIGHT * level):
        wanted |= {(level, index >> (HEIGHT * (level + 1))), (level, (count - 1) // WIDTH), (level, count // WIDTH)}
        level += 1
    return sorted(wanted)


def bundle(entries: Iterable[bytes]) -> bytes:
    """Returns the entries one after the other, each behind its length. Raises `ValueError` for one that is too long."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY:
            raise ValueError(f"an entry has at most {LARGEST_ENTRY} bytes, not {len(entry)}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unbundle(data: bytes) -> list[bytes]:
    """Returns the entries of a bundle. Raises `ValueError` if it ends in the middle of one."""
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        end = at + 2 + length
        if at + 2 > len(data) or end > len(data):
            raise ValueError("the bundle ends in the middle of an entry")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def level_zero(entries: Iterable[bytes]) -> bytes:
    """Returns the hash tile that belongs to a bundle's entries."""
    return b"".join(map(leaf_hash, entries))
