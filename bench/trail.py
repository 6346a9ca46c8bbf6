"""What the trail costs and what its proofs cost, on the program's own stores with fsync on.

1. Entries a second that are durable and sealed, committed in batches of 1, 100 and 1,000 by one writer while another
   process seals, until the last one has its place. References: `pymerkle` on SQLite, appending the same bytes, and the
   same rows in a bare table of the same database.
2. The same with 64 callers, each of whom waits for the index of its entry.
3. An inclusion proof in a log of 1,000,000 entries, in ms.
4. Verification of a whole log, in entries a second; the reference is SHA-256 over the same entries and nodes alone.
5. What the trail adds to a request: a page with a list, with its entry and without, in turns.

Prints one line of JSON each: {metric, ours, reference, ratio, target}; `ratio` is oriented so that higher is better.
`python bench/trail.py write wait prove verify request` measures those named alone.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import gate as requests
import ground

SECONDS = 4.0
CALLERS = 64
LARGE = 1_000_000
WHOLE = 131_072
PROOFS = 1_000
SEALER = """
import sys
import django; django.setup()
from uuid import UUID
from misentinel.site import wiring; wiring.connect()
from misentinel.store.queries import get_store
from misentinel.trail.actions import seal
from misentinel.trail.queries import log_of
log = log_of(get_store(UUID(sys.argv[1])))
seal(log)
print("ready", flush=True)
import select, time
while not select.select([sys.stdin], [], [], 0)[0]:
    if not seal(log):
        time.sleep(0.002)
"""


def main(wanted: list[str]) -> None:
    with ground.prepared(MISENTINEL_REQUEST_RATE="100000"):
        from misentinel.trail.actions import use_wake_up

        use_wake_up(lambda log: None)  # nobody works here but the process that seals
        for name, measure in MEASURES.items():
            if not wanted or name in wanted:
                measure()


def measure_writing() -> None:
    from misentinel.trail.actions import record, record_many
    from misentinel.trail.contracts import Tag
    from misentinel.trail.queries import count_unsealed, log_of

    for size in (1, 100, 1_000):
        store, actor, took, written = customer(), requester(), [], 0
        with sealing(store):
            began = time.perf_counter()
            while time.perf_counter() - began < SECONDS:
                names = [f"object-{written + n}" for n in range(size)]
                started = time.perf_counter()
                with store.atomic():
                    if size == 1:
                        record(store, actor, Tag.PERSON_VIEW, object_kind="person", object_id=names[0])
                    else:
                        record_many(store, actor, Tag.PERSON_VIEW, names, object_kind="person")
                took.append(time.perf_counter() - started)
                written += size
            while count_unsealed(log_of(store)):
                time.sleep(0.002)
            ours = written / (time.perf_counter() - began)
        appended, bare, took = appending(store, size), inserting(store, size), sorted(took)
        ground.report(
            f"entries a second, durable and sealed, in batches of {size}; reference: pymerkle on SQLite",
            ours=ours, reference=appended, ratio=ours / appended,
            target=f">= 10000 in the best of the batches, commit p99 <= 200 ms; p99 {p(took, 99):.1f} ms, "
            f"a bare table {bare:.0f} a second",
        )  # fmt: skip


def appending(store, size: int) -> float:
    """pymerkle with the bytes of our own entries, durable by SQLite's default."""
    import pymerkle

    data = leaves_of(store, 1_000)
    with tempfile.TemporaryDirectory() as folder:
        tree, written = pymerkle.SqliteTree(f"{folder}/log.db"), 0
        began = time.perf_counter()
        while time.perf_counter() - began < SECONDS / 2:
            if size == 1:
                tree.append_entry(data[written % 1_000])
            else:
                tree.append_entries(data[:size])
            written += size
        return written / (time.perf_counter() - began)


def inserting(store, size: int) -> float:
    """The same bytes into a table without an index, committed as often, by the database's owner."""
    import psycopg
    from psycopg import sql

    from misentinel.store.embedded import EmbeddedCluster

    data = leaves_of(store, 1_000)[:size]
    name = store.connection.settings_dict["NAME"]
    with psycopg.connect(EmbeddedCluster(Path(os.environ["MISENTINEL_HOME"]), "data").dsn(name)) as connection:
        connection.execute("CREATE TABLE bare (entry bytea)")
        connection.commit()
        written, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS / 2:
            connection.execute(sql.SQL("INSERT INTO bare SELECT unnest(%s::bytea[])"), [data])
            connection.commit()
            written += size
        return written / (time.perf_counter() - began)


def measure_waiting() -> None:
    from django.db import connections

    from misentinel.trail.actions import record
    from misentinel.trail.contracts import Tag
    from misentinel.trail.models import Leaf

    store, actor, took, faults = customer(), requester(), [], []

    def call(until: float) -> None:
        try:
            while time.perf_counter() < until:
                started = time.perf_counter()
                with store.atomic():
                    entry_id = record(store, actor, Tag.PERSON_VIEW, object_kind="person", object_id="p")
                time.sleep(0.02)  # whoever asks at once asks in vain, and takes the time of those who write
                while not Leaf.objects.using(store.alias).filter(entry_id=entry_id).exists():
                    time.sleep(0.02)
                took.append(time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(error)
        finally:
            connections.close_all()

    with sealing(store):
        began = time.perf_counter()
        callers = [threading.Thread(target=call, args=(began + SECONDS,)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        ours = len(took) / (time.perf_counter() - began)
    if faults:
        raise faults[0]
    ground.report(
        f"entries a second by {CALLERS} callers who each wait for their index; reference: the target",
        ours=ours, reference=1_000, ratio=ours / 1_000,
        target=f">= 1000; p50 {p(sorted(took), 50):.1f} ms, p99 {p(sorted(took), 99):.1f} ms",
    )  # fmt: skip


def measure_proofs() -> None:
    from misentinel.trail import queries
    from misentinel.trail.actions import record_many, seal
    from misentinel.trail.contracts import Tag
    from misentinel.trail.models import Entry, Head, Leaf, Tile, Waiting
    from misentinel.trail.rules import merkle, tiles
    from misentinel.trail.rules.leaves import leaf_of

    store = customer()
    log, chance = queries.log_of(store), random.Random(7)
    with store.atomic():
        ids = record_many(store, requester(), Tag.PERSON_VIEW, [*range(PROOFS)], object_kind="person")
    Waiting.objects.using(log.alias).all().delete()
    rows = Entry.objects.using(log.alias).in_bulk(ids)
    places = dict(zip(sorted(chance.sample(range(LARGE), PROOFS)), ids, strict=True))
    noise = chance.randbytes(32 * LARGE)
    hashes = [noise[i : i + 32] for i in range(0, len(noise), 32)]
    for index, entry_id in places.items():
        hashes[index] = merkle.leaf_hash(leaf_of(rows[entry_id]))
    grown = tiles.grow(0, hashes, lambda level, index, width: b"")
    with store.atomic():
        Tile.objects.using(log.alias).bulk_create(
            Tile(level=level, index=index, hashes=data) for (level, index), data in grown.items()
        )
        Leaf.objects.using(log.alias).bulk_create(Leaf(index=i, entry_id=e) for i, e in places.items())
        Head.objects.using(log.alias).update_or_create(id=1, defaults={"size": LARGE})
        record_many(store, requester(), Tag.PERSON_VIEW, ["last"], object_kind="person")
    seal(log)
    keys, took = queries.verifier_keys(log), []
    for entry_id in chance.sample(ids, PROOFS):
        started = time.perf_counter()
        data, proof = queries.prove(log, entry_id)
        took.append(time.perf_counter() - started)
    proof.verify(data, log.origin, keys)
    took.sort()
    ground.report(
        f"milliseconds of an inclusion proof among {LARGE:,} entries, p50; reference: the target",
        ours=p(took, 50), reference=1.0, ratio=1.0 / p(took, 50), target=f"<= 1 ms at p50; p99 {p(took, 99):.2f} ms",
    )  # fmt: skip


def measure_verification() -> None:
    from misentinel.trail import queries
    from misentinel.trail.actions import record_many, seal
    from misentinel.trail.contracts import Tag
    from misentinel.trail.models import Head
    from misentinel.trail.rules import merkle, tiles
    from misentinel.trail.rules.checkpoints import Checkpoint
    from misentinel.trail.rules.notes import Note
    from misentinel.trail.rules.verifying import verify_log

    store = customer()
    log = queries.log_of(store)
    with store.atomic():
        record_many(store, requester(), Tag.PERSON_VIEW, [*range(1_000)], object_kind="person")
    seal(log)
    (signer,) = queries.logs.signers(log, Head.objects.using(log.alias).get())
    entries = (leaves_of(store, 1_000) * (WHOLE // 1_000 + 1))[:WHOLE]
    grown = tiles.grow(0, [merkle.leaf_hash(entry) for entry in entries], lambda level, index, width: b"")
    files = {
        tiles.TileName(level, index, len(data) // merkle.HASH_BYTES).path: data
        for (level, index), data in grown.items()
    }
    for name in tiles.bundles_of(WHOLE):
        files[name.path] = tiles.bundle(entries[name.index * tiles.WIDTH : (name.index + 1) * tiles.WIDTH])
    root = merkle.root_of(WHOLE, tiles.nodes_in(lambda level, index, width: grown[level, index]))
    text = Checkpoint(log.origin, WHOLE, root).text
    files["checkpoint"] = str(Note(text, (signer.sign(text),))).encode()
    began = time.perf_counter()
    report = verify_log(files.get, [signer.key], log.origin)
    ours = WHOLE / (time.perf_counter() - began)
    assert report.holds and report.entries == WHOLE, report.faults
    began = time.perf_counter()
    for entry in entries:
        hashlib.sha256(entry).digest()
        hashlib.sha256(bytes(65)).digest()
    reference = WHOLE / (time.perf_counter() - began)
    ground.report(
        f"entries a second when a whole log of {WHOLE:,} is verified; reference: SHA-256 over entries and nodes alone",
        ours=ours, reference=reference, ratio=ours / reference, target=">= 100000 a second",
    )  # fmt: skip


def measure_requests() -> None:
    from misentinel.site import jobs
    from misentinel.site.waking import Waker
    from misentinel.site.wiring import SEALING_PAUSE_SECONDS
    from misentinel.trail.actions import use_wake_up
    from misentinel.web import gate

    use_wake_up(Waker(jobs.seal_soon, pause=SEALING_PAUSE_SECONDS, in_background=True))
    record = gate._record
    smallest, _ = requests.application()
    for name, asked in (("the page with the list of segments", asking("/segments")), ("the smallest page", smallest)):

        def unrecorded(asked=asked) -> None:
            gate._record = lambda *_: None
            try:
                asked()
            finally:
                gate._record = record

        with_entry, without = requests.by_turns(asked, unrecorded)
        page, bare = p(with_entry, 50), p(without, 50)
        ground.report(
            f"milliseconds of {name} with its entry, p50; reference: the same without",
            ours=page, reference=bare, ratio=bare / page,
            target=f"<= 10 % more; here {100 * (page / bare - 1):.0f} % more",
        )  # fmt: skip
    use_wake_up(lambda log: None)
    time.sleep(2 * SEALING_PAUSE_SECONDS)


def asking(url: str):
    """Asks for a page of the program's own, in this process, as somebody of a new customer."""
    from tests.cast import signed_in

    client = signed_in(requests.somebody())

    def ask() -> None:
        assert client.get(url).status_code == 200

    return ask


@contextmanager
def sealing(store) -> Iterator[None]:
    """Another process seals the log of `store` as fast as it can, as the worker does when it is told."""
    command = [sys.executable, "-c", SEALER, str(store.customer_id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield
        finally:
            process.communicate("stop\n", timeout=60)


def leaves_of(store, count: int) -> list[bytes]:
    from misentinel.trail.models import Entry
    from misentinel.trail.rules.leaves import leaf_of

    found = [leaf_of(entry) for entry in Entry.objects.using(store.alias).order_by("-id")[:count]]
    return (found * (count // len(found) + 1))[:count]


def customer():
    from misentinel.customers.actions import create_customer
    from misentinel.kernel.actor import system
    from misentinel.store.queries import get_store

    return get_store(create_customer(system("bench"), "Acme", slug=f"acme-{os.urandom(4).hex()}").id)


def requester():
    """Somebody whose entries are as long as those of a teammate's requests."""
    from misentinel.kernel.actor import Actor, ActorKind
    from misentinel.kernel.ids import new_id

    return Actor(ActorKind.TEAMMATE, str(new_id()), str(new_id()), "203.0.113.9", str(new_id()))


def p(times: list[float], percent: int) -> float:
    """The percentile of sorted seconds, in ms."""
    return requests.percentile(times, percent) * 1e3


MEASURES = {
    "write": measure_writing, "wait": measure_waiting, "prove": measure_proofs, "verify": measure_verification,
    "request": measure_requests,
}  # fmt: skip

if __name__ == "__main__":
    main(sys.argv[1:])
