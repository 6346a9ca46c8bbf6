"""Asking: the files of one log, a process of its own, and an entry on the trail that tells of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from django.db import transaction

from misentinel.kernel import canonical
from misentinel.kernel.actor import Actor
from misentinel.kernel.errors import Invalid, Unavailable
from misentinel.store.contracts import Store
from misentinel.trail.actions import record, record_control
from misentinel.trail.analysis.contracts import Answer, Question, TooMuchAsked, WrongQuestion
from misentinel.trail.archive.catalogue import archived_size, list_parts
from misentinel.trail.archive.contracts import Cold
from misentinel.trail.archive.parquet import row_of, write_parquet
from misentinel.trail.archive.places import local_file
from misentinel.trail.archive.writing import sealed_entries
from misentinel.trail.contracts import Log, Outcome, Tag
from misentinel.trail.models import Entry, Leaf, Waiting
from misentinel.trail.queries import log_of, platform_log
from misentinel.vault.queries import seal_secret

MOST_ROWS, SECONDS, MEGABYTES = 5000, 10, 1024
MOST_FILES, MOST_HOT, AT_ONCE = 4000, 100_000, 2
_START_SECONDS = 10
_turns = threading.BoundedSemaphore(AT_ONCE)


def ask_customer(store: Store, actor: Actor, question: Question, *, seconds: int = SECONDS) -> Answer:
    """Answers over one customer's trail. The question goes on it, sealed. Raises `WrongQuestion`, `TooMuchAsked`."""
    return _asked(log_of(store), store, actor, question, seconds)


def ask_platform(actor: Actor, question: Question, *, seconds: int = SECONDS) -> Answer:
    """Answers over the operator's platform log, and nobody else's."""
    return _asked(platform_log(), None, actor, question, seconds)


def _asked(log: Log, store: Store | None, actor: Actor, question: Question, seconds: int) -> Answer:
    try:
        answer = answer_over(log, question, seconds=seconds)
    except (WrongQuestion, TooMuchAsked) as error:
        _tell(store, actor, question, Outcome.FAILED, {"error": error.code})
        raise
    _tell(store, actor, question, Outcome.DONE, {"count": len(answer.rows), "cold": answer.cold})
    return answer


def _tell(store: Store | None, actor: Actor, question: Question, outcome: Outcome, details: dict[str, Any]) -> None:
    """What is asked may name somebody, so it is sealed."""
    details |= {"since": str(question.since or ""), "until": str(question.until or "")}
    if store is not None:
        with store.atomic():
            record(
                store, actor, Tag.TRAIL_QUERY, object_kind="trail", outcome=outcome, details=details,
                after={"query": question.sql},
            )  # fmt: skip
        return
    sealed = seal_secret("trail query", question.sql.encode(), actor.request_id)
    with transaction.atomic():
        record_control(
            actor, Tag.TRAIL_QUERY, object_kind="trail", outcome=outcome,
            details={**details, "query_sealed": base64.b64encode(sealed).decode()},
        )  # fmt: skip


def answer_over(log: Log, question: Question, *, seconds: int = SECONDS, rows: int = MOST_ROWS) -> Answer:
    """Answers without telling anybody. Raises `WrongQuestion`, `TooMuchAsked`, `Tampered` for an archive that was."""
    if not _turns.acquire(timeout=seconds):
        raise TooMuchAsked("Others are asking right now. Try again in a moment.")
    try:
        with tempfile.TemporaryDirectory(prefix="question-") as folder:
            files, cold = _gather(log, question, Path(folder))
            began = time.monotonic()
            told = _run(Path(folder), question.sql, files, seconds, rows)
            took = time.monotonic() - began
    finally:
        _turns.release()
    columns = tuple(column["name"] for column in told["columns"])
    return Answer(columns, told["rows"], told["more"], took, cold)


def _gather(log: Log, question: Question, folder: Path) -> tuple[list[str], int]:
    """Puts what may be read into the folder: links to archived objects, and the rows that are in the database alone."""
    size = archived_size(log)
    parts = list_parts(log, since=question.since, until=question.until)
    if len(parts) > MOST_FILES:
        raise WrongQuestion(f"These days have {len(parts)} archived objects; at most {MOST_FILES} are read.")
    names, cold = [], 0
    for number, part in enumerate(parts):
        try:
            file = local_file(part)
        except Cold:
            cold += 1
            continue
        names.append(f"{number:06d}.parquet")
        (folder / names[-1]).symlink_to(file.resolve())
    write_hot(log, size, question, folder)
    return [*names, "hot.parquet"], cold


def write_hot(log: Log, size: int, question: Question, folder: Path) -> None:
    """Writes what is not archived yet, sealed or not. Raises `Unavailable` where that is too much to read each time."""
    sealed = Leaf.objects.using(log.alias).filter(index__gte=size)
    end = (sealed.order_by("-index").values_list("index", flat=True).first() or size - 1) + 1
    if end - size > MOST_HOT:
        raise Unavailable(f"{end - size} entries wait to be archived: run `misentinel archive write`, then ask again.")
    lines = folder / "hot.ndjson"
    with lines.open("wb") as out:
        for index, entry in sealed_entries(log, size, end):
            if _wanted(entry, question):
                out.write(canonical.dumps(row_of(entry, index)) + b"\n")
        waiting = Waiting.objects.using(log.alias).values("entry_id")
        for entry in Entry.objects.using(log.alias).filter(id__in=waiting).order_by("id")[:MOST_HOT]:
            if _wanted(entry, question):
                out.write(canonical.dumps(row_of(entry, None)) + b"\n")
    write_parquet(lines, folder / "hot.parquet")
    lines.unlink()


def _wanted(entry: Entry, question: Question) -> bool:
    day = entry.at.date()
    return (question.since is None or day >= question.since) and (question.until is None or day <= question.until)


def _run(folder: Path, sql: str, files: list[str], seconds: int, rows: int) -> dict[str, Any]:
    if "\0" in sql or not sql.strip():
        raise WrongQuestion("Ask something, for example SELECT tag, count(*) FROM entries GROUP BY tag.")
    try:
        asked = json.dumps(
            {"sql": sql, "files": files, "seconds": seconds, "megabytes": MEGABYTES, "rows": rows}
        ).encode()
    except UnicodeEncodeError:
        raise Invalid("The question is not text.") from None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "misentinel.trail.analysis.sandbox"], input=asked, cwd=folder, env={},
            capture_output=True, timeout=seconds + _START_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TooMuchAsked(f"This took longer than {seconds} s. Name days, or ask for less.") from None
    try:
        told: dict[str, Any] = canonical.loads(done.stdout)
    except ValueError:  # it was ended by the operating system
        raise TooMuchAsked("This used more time or memory than a question may. Ask for less.") from None
    if told.get("error") in ("refused", "wrong"):
        raise WrongQuestion(told["message"])
    if "error" in told:
        raise TooMuchAsked(told["message"])
    return told
