"""The verifiable log: its checkpoints, tiles, bundles, proofs and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connections

from misentinel.kernel.clock import now
from misentinel.kernel.errors import NotFound
from misentinel.store.contracts import Store
from misentinel.trail.contracts import Log, LogState
from misentinel.trail.models import Cosignature, Entry, Head, Leaf, SignedCheckpoint, Tile, Waiting
from misentinel.trail.rules import merkle, tiles
from misentinel.trail.rules.checkpoints import Checkpoint, Proof
from misentinel.trail.rules.leaves import Row, leaf_of, whole_of
from misentinel.trail.rules.merkle import HASH_BYTES
from misentinel.trail.rules.notes import Note, Signer, VerifierKey
from misentinel.vault.queries import service_key

_ORIGIN = "misentinel.trail"
PURPOSE = "checkpoint"
# An entry with its place, and the checkpoint that proves most of it: the newest that a witness signed, if that reaches
# as far, else the newest.
_SEALED_ENTRY = """
    SELECT entry.*, leaf.index AS place, best.note || coalesce(
        (SELECT string_agg(lines, '' ORDER BY id) FROM trail_cosignature WHERE size = best.size), ''
    ) AS signed
    FROM trail_leaf leaf LEFT JOIN trail_entry entry ON entry.id = leaf.entry_id
    JOIN trail_signedcheckpoint best ON best.size = coalesce(
        (SELECT max(size) FROM trail_cosignature WHERE size > leaf.index),
        (SELECT max(size) FROM trail_signedcheckpoint)
    )
    WHERE leaf.entry_id = %s
"""
_TILES = """
    SELECT tile.level, tile.index, tile.hashes
    FROM unnest(%s::int[], %s::bigint[]) AS wanted (level, index) JOIN trail_tile tile USING (level, index)
"""
Recall = Callable[[Log, list[int]], Mapping[int, Any]]
"""Returns rows of the shape of `Row` by their index."""


def _no_archive(log: Log, indexes: list[int]) -> Mapping[int, Any]:
    raise NotFound(f"Entry {indexes[0]} of {log.origin} is not in the database any more.")


_recall: Recall = _no_archive


def use_archive(recall: Recall) -> None:
    """Called once by `site/wiring.py`: where entries are read that the database has let go of."""
    global _recall
    _recall = recall


def log_of(store: Store) -> Log:
    """Returns the log of a customer's trail."""
    return Log(f"{_ORIGIN}/{store.customer_id}", store.alias, store.customer_id)


def platform_log() -> Log:
    """Returns the operator's log. Its name is this installation's own, made from its keys."""
    return Log(f"{_ORIGIN}/{service_key('installation')[:8].hex()}", "default")


def latest_checkpoint(log: Log) -> Note:
    """Returns the newest signed checkpoint. Raises `NotFound` while nothing is sealed."""
    row = SignedCheckpoint.objects.using(log.alias).order_by("-size").first()
    if row is None:
        raise NotFound("Nothing is sealed in this log yet.")
    return _with_cosignatures(log, row)


def log_state(log: Log) -> LogState:
    """Returns how far the log is sealed, and with which keys one verifies it."""
    newest = SignedCheckpoint.objects.using(log.alias).order_by("-size").first()
    state = LogState(log.origin, [str(key) for key in verifier_keys(log)], count_unsealed(log))
    if newest is None:
        return state
    return replace(state, size=newest.size, checkpoint=str(_with_cosignatures(log, newest)), signed_at=newest.at)


def count_unsealed(log: Log) -> int:
    return Waiting.objects.using(log.alias).count()


def _with_cosignatures(log: Log, row: SignedCheckpoint) -> Note:
    """The checkpoint with what witnesses signed of it so far."""
    lines = Cosignature.objects.using(log.alias).filter(size=row.size).order_by("id").values_list("lines", flat=True)
    return Note.parse(row.note + "".join(lines))


def _read_tiles(log: Log, names: list[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    levels, indexes = [level for level, _ in names], [index for _, index in names]
    with connections[log.alias].cursor() as cursor:
        cursor.execute(_TILES, [levels, indexes])
        return {(level, index): bytes(hashes) for level, index, hashes in cursor.fetchall()}


def read_tile(log: Log, level: int, index: int) -> bytes:
    """Returns the hashes of a tile as far as it is filled; b"" where there is none."""
    found = Tile.objects.using(log.alias).filter(level=level, index=index).values_list("hashes", flat=True).first()
    return b"" if found is None else bytes(found)


def read_file(log: Log, path: str) -> bytes | None:
    """Returns what a mirror of the log holds at `path`: `checkpoint`, a tile, or an entry bundle; None for nothing."""
    if path == "checkpoint":
        return str(latest_checkpoint(log)).encode()
    name = tiles.parse_path(path)
    if name is None:
        return None
    size = Head.objects.using(log.alias).filter(id=1).values_list("size", flat=True).first() or 0
    level = name.level or 0
    if name.index * tiles.WIDTH + name.width > size >> (tiles.HEIGHT * level):
        return None
    if name.level is None:
        return tiles.bundle(read_entries(log, name.index * tiles.WIDTH, name.width))
    return read_tile(log, name.level, name.index)[: name.width * HASH_BYTES]


def read_entries(log: Log, first: int, count: int) -> list[bytes]:
    """Returns the bytes of `count` entries from index `first` on, fewer at the end of the log."""
    places = Leaf.objects.using(log.alias).filter(index__gte=first, index__lt=first + count).order_by("index")
    rows = rows_at(log, {place.index: place.entry_id for place in places})
    return [leaf_of(row) for row in rows]


def rows_at(log: Log, ids: dict[int, UUID]) -> list[Row]:
    """The entries at these indexes, from the archive where the database has let go of them."""
    here = Entry.objects.using(log.alias).in_bulk(list(ids.values()))
    gone = [index for index, entry_id in ids.items() if entry_id not in here]
    recalled = _recall(log, gone) if gone else {}
    return [here[entry_id] if entry_id in here else recalled[index] for index, entry_id in ids.items()]


def prove(log: Log, entry_id: UUID) -> tuple[bytes, Proof]:
    """Returns the entry's bytes and the proof that they are in the log, which brings them along as `extra`.

    Two questions to the database, however large the log. Raises `NotFound`, also while unsealed.
    """
    found = next(iter(Entry.objects.using(log.alias).raw(_SEALED_ENTRY, [entry_id])), None)
    if found is None:
        raise NotFound("There is no such entry in the sealed log. What is not sealed yet will be within a second.")
    index: int = vars(found)["place"]  # this and the next are what the statement adds to the row
    note = Note.parse(vars(found)["signed"])
    row = found if found.id is not None else rows_at(log, {index: entry_id})[0]  # which the database may have let go
    size, leaf = Checkpoint.parse(note.text).size, leaf_of(row)
    held = _read_tiles(log, tiles.tiles_for_proof(index, size))
    nodes = tiles.nodes_in(lambda level, tile, width: held.get((level, tile), b""))
    return leaf, Proof(index, tuple(merkle.inclusion_proof(index, size, nodes)), note, extra=leaf)


def whole_entry(log: Log, entry_id: UUID) -> bytes:
    """Returns all of an entry, which is more than its leaf where it is too large for one. Raises `NotFound`."""
    return whole_of(find_row(log, entry_id))


def find_row(log: Log, entry_id: UUID) -> Row:
    """Returns an entry wherever it is kept, sealed or not. Raises `NotFound`."""
    row = Entry.objects.using(log.alias).filter(id=entry_id).first()
    if row is not None:
        return row
    index = Leaf.objects.using(log.alias).filter(entry_id=entry_id).values_list("index", flat=True).first()
    if index is None:
        raise NotFound("There is no such entry on the trail.")
    return rows_at(log, {index: entry_id})[0]


def verifier_keys(log: Log) -> list[VerifierKey]:
    """Returns every key that this log has signed with, the newest first."""
    head = Head.objects.using(log.alias).filter(id=1).first() or Head()
    return [_signer(log, generation).key for generation in range(head.key_generation, 0, -1)]


def signers(log: Log, head: Head) -> list[Signer]:
    """Returns who signs now: the newest key and, while a rotation overlaps, the one before it."""
    found = [_signer(log, head.key_generation)]
    if head.overlap_until is not None and head.overlap_until > now():
        found.append(_signer(log, head.key_generation - 1))
    return found


def _signer(log: Log, generation: int) -> Signer:
    seed = service_key(f"{PURPOSE} {log.origin} {generation}")
    return Signer(log.origin, Ed25519PrivateKey.from_private_bytes(seed))
