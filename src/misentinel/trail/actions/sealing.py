"""Sealing: each committed entry gets its place in the log, and the log's new state is signed.

One transaction in the log's own database: leaves, tiles, checkpoint. A crash leaves either all of it or nothing, and
what is left waiting is sealed next time. The checkpoint of a customer's log then becomes an entry of the platform log,
so that the operator's own log tells of a customer's history that was replaced as a whole.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction

from misentinel.kernel.actor import Actor, system
from misentinel.kernel.clock import now
from misentinel.trail.actions.recording import record_control
from misentinel.trail.contracts import Log, Tag
from misentinel.trail.models import Entry, Head, SignedCheckpoint, Tile, Waiting
from misentinel.trail.queries.logs import read_tile, signers
from misentinel.trail.rules import merkle, tiles
from misentinel.trail.rules.checkpoints import Checkpoint
from misentinel.trail.rules.leaves import leaf_of
from misentinel.trail.rules.notes import Note

AT_ONCE = 4096
KEY_OVERLAP = timedelta(days=30)
SETTLED = timedelta(minutes=5)  # longer than a transaction that writes an entry stays open
_log = logging.getLogger(__name__)
_TAKE_BACK = """
INSERT INTO trail_waiting (entry_id)
SELECT entry.id FROM trail_entry entry
WHERE entry.at < %s
  AND NOT EXISTS (SELECT FROM trail_leaf leaf WHERE leaf.entry_id = entry.id)
  AND NOT EXISTS (SELECT FROM trail_waiting waiting WHERE waiting.entry_id = entry.id)
ON CONFLICT DO NOTHING
"""


def seal(log: Log, limit: int = AT_ONCE) -> int:
    """Seals up to `limit` waiting entries, oldest first, and signs a checkpoint. Returns how many; safe to repeat."""
    with transaction.atomic(using=log.alias):
        head = _locked_head(log)
        first = Waiting.objects.using(log.alias).order_by("entry_id")[:limit]
        entries = list(Entry.objects.using(log.alias).filter(id__in=first.values("entry_id")).order_by("id"))
        if not entries:
            return 0
        hashes = [merkle.leaf_hash(leaf_of(entry)) for entry in entries]
        _add_leaves(log, head.size, [entry.id for entry in entries], hashes)
        head.size += len(entries)
        head.save(using=log.alias, update_fields=["size"])
        checkpoint = _sign(log, head)
    if log.customer_id is not None:
        record_control(
            system("trail"), Tag.CHECKPOINT_SIGN, object_kind="log", object_id=log.customer_id,
            details={"size": checkpoint.size, "root": checkpoint.root.hex()},
        )  # fmt: skip
    return len(entries)


def find_withheld(log: Log) -> int:
    """Puts entries back in the queue that somebody took out of it before they were sealed; returns how many.

    Sealing takes an entry from the queue into the log in one transaction, so one that is old enough and in neither was
    withheld. Told on the platform log, and in the program's own as critical.
    """
    with connections[log.alias].cursor() as cursor:
        cursor.execute(_TAKE_BACK, [now() - SETTLED])
        found = int(cursor.rowcount)
    if found:
        _log.critical("%s entries had been taken out of the queue of log %s; they will be sealed", found, log.origin)
        record_control(
            system("trail"), Tag.LOG_WITHHELD, customer_id=log.customer_id, object_kind="log", object_id=log.origin,
            details={"count": found},
        )  # fmt: skip
    return found


def rotate_key(actor: Actor, log: Log) -> int:
    """Begins to sign with a new key; for `KEY_OVERLAP` the old one signs as well. Returns the new key's number."""
    with transaction.atomic(using=log.alias):
        head = _locked_head(log)
        head.key_generation += 1
        head.overlap_until = now() + KEY_OVERLAP
        head.save(using=log.alias, update_fields=["key_generation", "overlap_until"])
    record_control(
        actor, Tag.LOG_KEY_ROTATE, customer_id=log.customer_id, object_kind="log", object_id=log.origin,
        details={"generation": head.key_generation},
    )  # fmt: skip
    return head.key_generation


def _locked_head(log: Log) -> Head:
    Head.objects.using(log.alias).get_or_create(id=1)
    return Head.objects.using(log.alias).select_for_update().get(id=1)


def _add_leaves(log: Log, size: int, ids: list[UUID], hashes: list[bytes]) -> None:
    with connections[log.alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO trail_leaf (index, entry_id)"
            " SELECT %s + place - 1, id FROM unnest(%s::uuid[]) WITH ORDINALITY AS sealed (id, place)",
            [size, ids],
        )
        cursor.execute("DELETE FROM trail_waiting WHERE entry_id = ANY(%s::uuid[])", [ids])
    grown = tiles.grow(size, hashes, lambda level, index, width: read_tile(log, level, index))
    Tile.objects.using(log.alias).bulk_create(
        [Tile(level=level, index=index, hashes=data) for (level, index), data in grown.items()],
        update_conflicts=True, unique_fields=["level", "index"], update_fields=["hashes"],
    )  # fmt: skip


def _sign(log: Log, head: Head) -> Checkpoint:
    nodes = tiles.nodes_in(lambda level, index, width: read_tile(log, level, index))
    checkpoint = Checkpoint(log.origin, head.size, merkle.root_of(head.size, nodes))
    note = Note(checkpoint.text, tuple(signer.sign(checkpoint.text) for signer in signers(log, head)))
    SignedCheckpoint.objects.using(log.alias).create(size=head.size, note=str(note), at=now())
    return checkpoint
