"""Asking witnesses to cosign a log's newest checkpoint, and keeping what they sign.

A cosignature never hinders sealing: it comes afterwards, or not at all while a witness is away. What a witness refuses
is told on the platform log once for each checkpoint, because it may be the one who sees that a history was replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Unavailable
from misentinel.kernel.outgoing import Answer, NotReachable
from misentinel.trail.actions.recording import CONTROL_ALIAS, record_control
from misentinel.trail.contracts import Log, Outcome, Tag
from misentinel.trail.models import Cosignature, Entry, SignedCheckpoint
from misentinel.trail.queries.logs import read_tile
from misentinel.trail.rules import merkle, tiles
from misentinel.trail.rules.notes import Note
from misentinel.trail.rules.witnessing import Witness, cosignatures_in, request_body, size_in

Post = Callable[[str, bytes], Answer]
_log = logging.getLogger(__name__)


def ask_witness(log: Log, witness: Witness, post: Post) -> bool:
    """Has `witness` cosign the newest checkpoint, unless it has; says whether it did. Safe to repeat.

    `post` sends a body to a URL, and raises `Unavailable` or `NotReachable` where that leads to nobody.
    """
    newest = SignedCheckpoint.objects.using(log.alias).order_by("-size").first()
    if newest is None:
        return False
    seen = Cosignature.objects.using(log.alias).filter(key=str(witness.key)).order_by("-size").first()
    if seen is not None and seen.size == newest.size:
        return True
    note, old = Note.parse(newest.note), seen.size if seen else 0
    try:
        answer = _submit(log, witness, post, old, newest.size, note)
        if answer.status == 409:  # it has seen another than we remember, for example before its last answer was lost
            answer = _submit(log, witness, post, size_in(answer.body), newest.size, note)
        if answer.status != 200:
            raise ValueError(f"it answered {answer.status}")
        lines = cosignatures_in(answer.body, note, witness.key)
    except (Unavailable, NotReachable) as error:
        _log.warning("the witness %s was not asked: %s", witness.key.name, error)
        return False
    except ValueError as error:
        _tell_of_refusal(log, witness, newest.size, str(error))
        return False
    Cosignature.objects.using(log.alias).create(
        size=newest.size, key=str(witness.key), lines="".join(line.line for line in lines)
    )
    return True


def _submit(log: Log, witness: Witness, post: Post, old: int, size: int, note: Note) -> Answer:
    nodes = tiles.nodes_in(lambda level, index, width: read_tile(log, level, index))
    return post(witness.add_url, request_body(old, merkle.consistency_proof(old, size, nodes) if old else [], note))


def _tell_of_refusal(log: Log, witness: Witness, size: int, why: str) -> None:
    told = {"witness": witness.key.name, "size": size}
    known = Entry.objects.using(CONTROL_ALIAS).filter(
        tag=Tag.CHECKPOINT_WITNESS.value, object_id=log.origin, details__contains=told
    )
    if not known.exists():
        record_control(
            system("trail"), Tag.CHECKPOINT_WITNESS, object_kind="log", object_id=log.origin,
            outcome=Outcome.REFUSED, details={**told, "why": why[:200]},
        )  # fmt: skip
