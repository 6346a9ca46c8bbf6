"""Questions over ten million archived entries, and what one costs to keep.

The archive is made by DuckDB in the columns and compression that the program writes, from entries as it maps them: 100
days, 200,000 people, 400 teammates, an object for each day and class. Each question goes the whole way of a customer's:
a process of its own, its fences, its statement checked. The reference is the bare engine, started before.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import ground

ENTRIES, DAYS, PEOPLE, STAFF = 10_000_000, 100, 200_000, 400
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = "00000000-0000-8000-8000-000000000777"
WEIGHTS = {
    "person:view": 40, "person:list": 10, "event:receive": 20, "segment:view": 8, "message:send": 7, "trail:list": 3,
    "sign_in:succeed": 8, "sign_in:fail": 2, "person:edit": 2,
}  # fmt: skip
QUESTIONS = {
    "top operations": "SELECT tag, count(*) AS n FROM entries GROUP BY tag ORDER BY n DESC, tag LIMIT 10",
    "one person's readers": "SELECT actor_id, tag, count(*) AS n, max(time) FROM entries "
    f"WHERE person_id = '{PERSON}' AND tag IN ('person:view', 'person:list') "
    "GROUP BY ALL ORDER BY n DESC, actor_id, tag",
    "failures by actor": "SELECT actor_id, count(*) AS n FROM entries WHERE outcome = 'failed' "
    "GROUP BY actor_id ORDER BY n DESC, actor_id LIMIT 20",
}
TARGET_SECONDS = 0.5


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with ground.prepared(), tempfile.TemporaryDirectory(prefix="ms-bench-archive-") as folder:
        leaf = _make(Path(folder), entries)
        files = sorted(path.name for path in Path(folder).glob("*.parquet"))
        size = sum((Path(folder) / name).stat().st_size for name in files)
        ground.report(
            f"bytes per archived entry, {entries} entries in {len(files)} objects; reference: bytes of its leaf",
            ours=size / entries, reference=leaf, ratio=leaf * entries / size, target="small",
        )  # fmt: skip
        for name, sql in QUESTIONS.items():
            _measure(Path(folder), files, name, sql, entries)


def _measure(folder: Path, files: list[str], name: str, sql: str, entries: int) -> None:
    from misentinel.trail.analysis.asking import _run
    from misentinel.trail.analysis.sandbox import open_engine

    engine = open_engine([str(folder / file) for file in files], 1024)
    ours, bare = [], []
    for _ in range(3):
        began = time.perf_counter()
        told = _run(folder, sql, files, 60, 100)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        rows = engine.execute(sql).fetchall()
        bare.append(time.perf_counter() - began)
        assert told["rows"] and [list(map(str, row)) for row in rows] == [list(map(str, row)) for row in told["rows"]]
    engine.close()
    best, reference = min(ours), min(bare)
    ground.report(
        f"{name} over {entries} archived entries, s with a process of its own; reference: the engine alone",
        ours=best, reference=reference, ratio=reference / best, target=f"< {TARGET_SECONDS} s",
    )  # fmt: skip


def _make(folder: Path, entries: int) -> float:
    """Writes the archive and returns how long a leaf is on average."""
    import duckdb

    from misentinel.kernel import canonical
    from misentinel.trail.archive.layout import COLUMNS
    from misentinel.trail.archive.parquet import row_of
    from misentinel.trail.rules.leaves import leaf_of

    samples = {tag: _sample(tag) for tag in WEIGHTS}
    leaf = sum(len(leaf_of(samples[tag])) * weight for tag, weight in WEIGHTS.items()) / sum(WEIGHTS.values())
    lines = folder / "samples.ndjson"
    rows = [{**row_of(samples[tag], 0), "weight": weight} for tag, weight in WEIGHTS.items()]
    lines.write_bytes(b"\n".join(canonical.dumps(row) for row in rows))
    engine = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "2GB"})
    binary = "from_base64(sealed_before) AS sealed_before, from_base64(sealed_after) AS sealed_after"
    types = {name: "VARCHAR" if kind == "BLOB" else kind for name, kind in COLUMNS.items()} | {"weight": "INTEGER"}
    engine.execute(
        f"CREATE TABLE sample AS SELECT * REPLACE ({binary}), row_number() OVER () - 1 AS number, "
        "sum(weight) OVER (ORDER BY tag) - weight AS low, sum(weight) OVER (ORDER BY tag) AS high "
        f"FROM read_json('{lines}', format='newline_delimited', columns={types})"
    )
    lines.unlink()
    classes = [uid for (uid,) in engine.execute("SELECT DISTINCT class_uid FROM sample ORDER BY 1").fetchall()]
    for day in range(DAYS):
        _write_day(engine, folder, day, entries // DAYS, classes, list(COLUMNS))
    engine.close()
    return leaf


def _write_day(engine, folder: Path, day: int, count: int, classes: list[int], columns: list[str]) -> None:
    first, began = day * count, BEGAN + timedelta(days=day)
    engine.execute(
        f"""CREATE OR REPLACE TABLE drawn AS
        SELECT i, (random() * 100)::INT % 100 AS pick, uuid()::VARCHAR AS id, uuid()::VARCHAR AS request,
            '00000000-0000-8000-8000-' || lpad(((random() * {PEOPLE})::INT)::VARCHAR, 12, '0') AS person,
            '00000000-0000-8000-9000-' || lpad(((random() * random() * {STAFF})::INT)::VARCHAR, 12, '0') AS actor,
            TIMESTAMP '{began:%Y-%m-%d}' + to_milliseconds(((i - {first}) * 86400000.0 / {count})::BIGINT) AS moment
        FROM range({first}, {first + count}) r(i)"""
    )
    engine.execute(
        f"""CREATE OR REPLACE TABLE day AS
        SELECT s.* REPLACE (
            d.i AS log_index, d.id AS id, d.moment AS time, d.actor AS actor_id, d.request AS request_id,
            CASE WHEN s.person_id IS NULL THEN NULL ELSE d.person END AS person_id,
            CASE WHEN s.object_id = '' THEN '' ELSE d.person END AS object_id,
            replace(replace(replace(replace(replace(s.ocsf, '{ID}', d.id), '{REQUEST}', d.request), '{WHOM}', d.person),
                '{ACTOR}', d.actor), '{_milliseconds(BEGAN)}', epoch_ms(d.moment)::VARCHAR) AS ocsf)
        FROM drawn d JOIN sample s ON d.pick >= s.low AND d.pick < s.high"""
    )
    for uid in classes:
        engine.execute(
            f"COPY (SELECT {', '.join(columns)} FROM day WHERE class_uid = {uid} ORDER BY time, log_index) "
            f"TO '{folder}/{day:03d}-{uid}.parquet' "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 9, ROW_GROUP_SIZE 122880)"
        )


ID, REQUEST, WHOM, ACTOR, CUSTOMER = (str(uuid4()) for _ in range(5))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _sample(tag: str) -> SimpleNamespace:
    about = tag.startswith("person:") and tag != "person:list"
    return SimpleNamespace(
        id=UUID(ID), at=BEGAN, customer_id=UUID(CUSTOMER), tag=tag,
        outcome="failed" if tag.endswith("fail") else "done",
        actor_kind="teammate", actor_id=ACTOR, credential="session", address="192.0.2.7",
        object_kind="person" if about else "", object_id=WHOM if about else "",
        person_id=UUID(WHOM) if about else None, request_id=REQUEST, details={"count": 50} if "list" in tag else {},
        before=None, after=None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
