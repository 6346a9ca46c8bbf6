"""Questions over the trail: the same answer wherever an entry is kept, and no way out of the fences."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import duckdb
import pytest

from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, now
from misentinel.trail import queries
from misentinel.trail.actions import record, seal
from misentinel.trail.analysis import asking, sandbox
from misentinel.trail.analysis.contracts import Question, TooMuchAsked, WrongQuestion
from misentinel.trail.analysis.statements import NotAsked, check
from misentinel.trail.archive import keeping, places
from misentinel.trail.archive.folder import FolderArchive
from misentinel.trail.archive.writing import write_archive
from misentinel.trail.contracts import EntryFilter, Outcome, Tag

ME = system("test")
LONG_AGO = now() - timedelta(days=500)
BY_TAG = "SELECT tag, count(*) AS n FROM entries WHERE tag LIKE 'segment:%' GROUP BY tag ORDER BY tag"

ASKED = [
    "FROM entries",
    "SELECT tag, count(*) n FROM entries GROUP BY tag ORDER BY n DESC LIMIT 10",
    "SELECT * FROM entries WHERE time BETWEEN '2026-03-01' AND TIMESTAMP '2026-04-01' AND person_id = 'x'",
    "WITH a AS (SELECT tag FROM entries), b AS (SELECT * FROM a) SELECT * FROM b JOIN a USING (tag)",
    "SELECT date_trunc('day', time) d, count(*) FILTER (WHERE outcome = 'failed') f FROM entries GROUP BY ALL",
    "SELECT actor_id, row_number() OVER (PARTITION BY tag ORDER BY time) FROM entries",
    "SELECT json_extract_string(details, '$.count')::INT, details->>'x' FROM entries WHERE tag IN ('a', 'b')",
    "SELECT CASE WHEN v THEN 1 ELSE 2 END FROM (VALUES (true)) t(v) UNION ALL SELECT 2",
    "SELECT list_transform([1, 2], lambda x: x + 1), [1, 2][1], -3, NOT true, tag IS NULL FROM entries",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t",
    "SELECT (SELECT count(*) FROM entries e2 WHERE e2.tag = e.tag) FROM entries e WHERE time > now() - INTERVAL 3 DAY",
    "SELECT * FROM unnest([1, 2]) u(x)",
]
# Each is refused by the check; those below, where it applies, by the engine alone as well.
ATTACKS = [
    "COPY entries TO 'out.csv'", "COPY (SELECT 1) TO '000000.parquet' (USE_TMP_FILE false)", "ATTACH 'x.db'",
    "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list", "SET memory_limit = '100GB'", "RESET threads",
    "SET enable_external_access = true", "SELECT 1; SELECT 2", "CREATE TABLE x (i int)", "DROP VIEW entries",
    "INSERT INTO entries VALUES (1)", "DELETE FROM entries", "CALL pragma_version()", "EXPORT DATABASE 'x'", "VACUUM",
    "CREATE MACRO f(x) AS TABLE SELECT * FROM read_text(x)", "PREPARE p AS SELECT 1", "EXPLAIN SELECT 1",
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", 'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM glob('/*')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_blob('000000.parquet')",
    "SELECT * FROM parquet_metadata('hot.parquet')", "SELECT * FROM read_parquet('s3://bucket/x')",
    "SELECT * FROM 'https://example.com/x.csv'", "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM duckdb_settings()", "SELECT * FROM duckdb_secrets()", "SELECT * FROM duckdb_views()",
    "SELECT * FROM sqlite_master", "SELECT * FROM information_schema.tables", "SELECT * FROM duckdb_logs",
    "SELECT * FROM main.entries", "SELECT * FROM memory.main.entries", "SELECT * FROM pg_catalog.pg_class",
    "SELECT getenv('HOME')", "SELECT current_setting('temp_directory')", "SELECT getvariable('x')",
    "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('entries')", "SELECT write_log('x')",
    "DESCRIBE entries",
    "SUMMARIZE entries",
    "SHOW TABLES",
    "PIVOT entries ON tag USING count(*)",
    "TABLE sqlite_master",
    "WITH a AS (SELECT * FROM read_csv('x')) SELECT 1",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 WHERE EXISTS (FROM read_blob('x'))",
    "SELECT * FROM entries ORDER BY (SELECT count(*) FROM glob('*'))",
    "SELECT * FROM entries LIMIT (SELECT count(*) FROM glob('*'))",
    "SELECT system.main.upper('x')",
    "SELECT json_execute_serialized_sql('x')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM entries, LATERAL (SELECT * FROM read_text(tag))",
    "SELECT list_transform([1], lambda x: getenv('A'))",
    "WITH a AS (SELECT 1) SELECT * FROM (WITH b AS (SELECT 1) SELECT 1) q, b",
    'x',
    ", ",
    'x',
    'x',
    ", ",
    'x',
    ", ",
    ", ",
    ", ",
    ", ",
    ", ",
    '" + "x" * LONGEST + "',
]  # fmt: skip
REACHING = [one for one in ATTACKS if any(word in one for word in ("passwd", "https:", "s3:", "glob", "httpfs", "SET"))]
REACHING += ["COPY entries TO 'out.csv'", "ATTACH 'x.db'", "EXPORT DATABASE 'x'", "SELECT * FROM duckdb_secrets()"]


@pytest.fixture
def folder(tmp_path):
    with places.using(FolderArchive(tmp_path / "archive", "GB")) as place:
        yield place


def tell(store, at=None, person=None) -> None:
    with held(at or now()), store.atomic():
        for tag in (Tag.SEGMENT_VIEW, Tag.SEGMENT_VIEW, Tag.SEGMENT_EDIT):
            record(store, ME, tag, object_kind="segment", object_id=uuid4(), person_id=person, details={"count": 3})


def archive(store) -> None:
    log = queries.log_of(store)
    while seal(log):
        pass
    while write_archive(ME, log).parts:
        pass


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """The engine as the sandbox opens it, without the check before it."""
    root = tmp_path_factory.mktemp("sandbox")
    file = root / "000000.parquet"
    duckdb.execute(
        f"COPY (SELECT 'x' AS tag, ''::BLOB AS sealed_before, ''::BLOB AS sealed_after) TO '{file}' (FORMAT parquet)"
    )
    return sandbox.open_engine([str(file)], 256)


@pytest.mark.parametrize("sql", ASKED)
def test_what_one_asks_of_a_trail_is_answered(sql, engine) -> None:
    check(sql, engine)


@pytest.mark.parametrize("sql", ATTACKS)
def test_what_is_no_question_is_refused(sql, engine) -> None:
    with pytest.raises(NotAsked):
        check(sql, engine)


@pytest.mark.parametrize("sql", REACHING)
def test_the_engine_by_itself_reaches_nothing_either(sql, engine) -> None:
    with pytest.raises(duckdb.Error):
        engine.execute(sql).fetchall()


def test_the_engine_does_answer_what_is_its_own(engine) -> None:
    """So that the refusals above are not those of an engine that refuses everything."""
    assert engine.execute("SELECT * FROM entries").fetchall() == [("x",)]


CONFINED = """
import pathlib, signal, socket, subprocess, sys
from misentinel.trail.analysis import sandbox
sandbox.confine(5, 64, 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tries = {
    "write": lambda: pathlib.Path("there").write_bytes(b"x"),
    "make": lambda: pathlib.Path("new").touch(),
    "remove": lambda: pathlib.Path("there").unlink(),
    "start": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "connect": lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2),
}
for name, attempt in tries.items():
    try:
        attempt()
    except OSError:
        continue
    print(name)
"""


def test_the_process_by_itself_can_change_nothing_and_reach_nobody(tmp_path) -> None:
    (tmp_path / "there").write_bytes(b"kept")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        command = [sys.executable, "-c", CONFINED, port]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        free = CONFINED.replace("sandbox.confine(5, 64, 1)", "")
        command = [sys.executable, "-c", free, port]
        could = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert could.stdout.split() == ["write", "make", "remove", "start", "connect"], could.stderr
    if not has_landlock():
        pytest.skip("this kernel has no Landlock, which the rest of this is about")
    assert (done.stdout, done.stderr) == ("", "")


def test_even_with_the_check_gone_an_archived_file_stays_as_it_was(tmp_path) -> None:
    """The engine would write to a file that it may read; its process may not."""
    file = tmp_path / "000000.parquet"
    duckdb.execute(
        f"COPY (SELECT 'x' AS tag, ''::BLOB AS sealed_before, ''::BLOB AS sealed_after) TO '{file}' (FORMAT parquet)"
    )
    before = file.read_bytes()
    code = (
        "from misentinel.trail.analysis import sandbox\n"
        "sandbox.confine(5, 256, 1)\n"
        "engine = sandbox.open_engine(['000000.parquet'], 256)\n"
        "print(engine.execute('SELECT tag FROM entries').fetchall())\n"
        "engine.execute(\"COPY (SELECT 1) TO '000000.parquet' (FORMAT csv, USE_TMP_FILE false)\")\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "[('x',)]\n" and done.returncode != 0
    if has_landlock():
        assert file.read_bytes() == before


def has_landlock() -> bool:
    code = "from misentinel.trail.analysis.landlock import give_up_writing; print(give_up_writing())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"True\n"


def test_an_answer_is_the_same_before_and_after_archiving_and_pruning(acme, folder) -> None:
    tell(acme, at=LONG_AGO)
    expected = [["segment:edit", 1], ["segment:view", 2]]
    assert asking.answer_over(queries.log_of(acme), Question(BY_TAG)).rows == expected  # not even sealed
    while seal(queries.log_of(acme)):
        pass
    assert asking.answer_over(queries.log_of(acme), Question(BY_TAG)).rows == expected
    archive(acme)
    assert asking.answer_over(queries.log_of(acme), Question(BY_TAG)).rows == expected
    keeping.prune(ME, queries.log_of(acme))
    tell(acme)
    assert asking.answer_over(queries.log_of(acme), Question(BY_TAG)).rows == [["segment:edit", 2], ["segment:view", 4]]
    recent = Question(BY_TAG, since=now().date())
    assert asking.answer_over(queries.log_of(acme), recent).rows == expected
    old = Question(BY_TAG, until=LONG_AGO.date())
    assert asking.answer_over(queries.log_of(acme), old).rows == expected


def test_one_sees_ones_own_trail_alone_and_the_operator_its_own(acme, bolt) -> None:
    person = uuid4()
    tell(acme, person=person)
    archive(acme)
    tell(acme, person=person)
    who = Question(f"SELECT count(*) FROM entries WHERE person_id = '{person}'")
    assert asking.ask_customer(acme, ME, who).rows == [[6]]
    assert asking.ask_customer(bolt, ME, who).rows == [[0]]
    assert asking.ask_platform(ME, who).rows == [[0]]
    whose = Question("SELECT DISTINCT customer_id FROM entries")
    assert asking.ask_customer(bolt, ME, whose).rows == [[str(bolt.customer_id)]]


def test_asking_is_itself_told_and_the_question_is_sealed(acme) -> None:
    asking.ask_customer(acme, ME, Question("SELECT 'zoe@example.com'"))
    with pytest.raises(WrongQuestion):
        asking.ask_customer(acme, ME, Question("DROP VIEW entries"))
    refused, done = queries.list_entries(acme, EntryFilter(tag=Tag.TRAIL_QUERY)).entries
    assert (done.outcome, refused.outcome) == (Outcome.DONE, Outcome.FAILED)
    assert "zoe" not in json.dumps(done.details) and done.before is None
    assert queries.get_entry(acme, done.id).after == {"query": "SELECT 'zoe@example.com'"}
    asking.ask_platform(ME, Question("SELECT 'zoe@example.com'"))
    told = queries.list_platform_entries(EntryFilter(tag=Tag.TRAIL_QUERY)).entries[0]
    assert told.details["query_sealed"] and "zoe" not in json.dumps(told.details)


def test_sealed_values_are_not_shown(acme, folder) -> None:
    columns = asking.answer_over(queries.log_of(acme), Question("FROM entries LIMIT 1")).columns
    assert "tag" in columns and not set(columns) & set(sandbox.HIDDEN)


def test_what_takes_too_long_is_ended(acme, folder) -> None:
    endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b"
    with pytest.raises(TooMuchAsked, match="longer than 1 s"):
        asking.answer_over(queries.log_of(acme), Question(endless), seconds=1)


def test_what_takes_too_much_memory_is_ended(acme, folder) -> None:
    with pytest.raises(TooMuchAsked):
        asking.answer_over(queries.log_of(acme), Question("SELECT list(x || 'abcdefgh') FROM range(90000000) r(x)"))


def test_a_mistake_is_told_without_telling_where_files_are(acme, folder) -> None:
    tell(acme)
    archive(acme)
    with pytest.raises(WrongQuestion, match="nothing_of_the_kind") as error:
        asking.answer_over(queries.log_of(acme), Question("SELECT nothing_of_the_kind FROM entries"))
    assert "/" not in str(error.value).split("\n")[0]


def test_a_long_answer_says_that_it_is_not_all(acme, folder) -> None:
    answer = asking.answer_over(queries.log_of(acme), Question("FROM range(20)"), rows=5)
    assert len(answer.rows) == 5 and answer.more
