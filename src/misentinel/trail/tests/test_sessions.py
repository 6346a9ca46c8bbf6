"""Whoever signs in to a database is on the trail: the program as a count, anybody else by themselves and at once."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from misentinel.kernel.errors import MiSentinelError
from misentinel.store import server_log
from misentinel.store.embedded import EmbeddedCluster
from misentinel.store.postgres.sessions import is_own, own_name
from misentinel.trail.actions import sessions, watch_sessions
from misentinel.trail.contracts import EntryFilter, EntryView, Tag
from misentinel.trail.models import ServerLogReading
from misentinel.trail.queries import list_entries, list_platform_entries


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedCluster]:
    """A cluster of its own, so that what other tests do in theirs is not told here."""
    with tempfile.TemporaryDirectory(prefix="ms-test-") as home:
        cluster = EmbeddedCluster(Path(home), "watched", ("control",), options={"shared_buffers": "32MB"})
        cluster.start()
        yield cluster
        cluster.stop()


@pytest.fixture
def cluster(running) -> EmbeddedCluster:
    """Read up to now."""
    settle()
    watch_sessions(running)
    return running


def settle() -> None:
    """The server's collector writes a line a moment after the login."""
    time.sleep(0.3)


def sign_in(cluster: EmbeddedCluster, database: str = "control", **parameters: str) -> None:
    psycopg.connect(cluster.dsn(database), **parameters).close()


def own(database: str = "control", role: str = "misentinel") -> dict[str, str]:
    return {"application_name": own_name(role, database)}


def told(tag: Tag) -> list[EntryView]:
    return list_platform_entries(EntryFilter(tag=tag), limit=200).entries


def new(tag: Tag, since: list[EntryView]) -> list[EntryView]:
    known = {entry.id for entry in since}
    return [entry for entry in told(tag) if entry.id not in known]


def test_the_programs_sessions_are_counted_by_role_and_database(cluster):
    before = told(Tag.DATABASE_SESSION)
    for _ in range(3):
        sign_in(cluster, **own())
    settle()
    assert watch_sessions(cluster) == 0
    (entry,) = new(Tag.DATABASE_SESSION, before)
    assert entry.object_id == "watched"
    assert entry.details == {"count": 3, "sessions": {"misentinel in control": 3}, "further": 0}


def test_a_session_that_is_not_the_programs_is_told_and_signalled(cluster, caplog):
    before = told(Tag.DATABASE_INTRUSION)
    sign_in(cluster)
    sign_in(cluster, application_name="misentinel-" + "0" * 40)
    sign_in(cluster, **own("postgres"))  # a name that was ours elsewhere
    settle()
    with caplog.at_level(logging.CRITICAL):
        assert watch_sessions(cluster) == 3
    (entry,) = new(Tag.DATABASE_INTRUSION, before)
    assert entry.details == {"cluster": "watched", "role": "misentinel", "count": 3}
    assert "misentinel in database control of cluster watched has opened 3 sessions that are not" in caplog.text
    assert watch_sessions(cluster) == 0 and new(Tag.DATABASE_INTRUSION, before) == [entry]


def test_the_customer_is_told_of_a_stranger_in_its_store(cluster, acme, bolt):
    database = acme.connection.settings_dict["NAME"]
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True, **own("postgres")) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    sign_in(cluster, database)
    settle()
    watch_sessions(cluster)
    assert len(list_entries(acme, EntryFilter(tag=Tag.DATABASE_INTRUSION)).entries) == 1
    assert list_entries(bolt, EntryFilter(tag=Tag.DATABASE_INTRUSION)).entries == []


@pytest.mark.parametrize("role", ["misentinel", "nobody", 'no\nbody", "user": "misentinel', "x" * 80])
def test_a_session_that_was_refused_is_told_and_what_was_typed_is_not_repeated(cluster, role):
    before, intrusions = told(Tag.DATABASE_REFUSE), told(Tag.DATABASE_INTRUSION)
    with pytest.raises(psycopg.OperationalError):
        sign_in(cluster, user=role, password="wrong")
    settle()
    assert watch_sessions(cluster) == 1
    (entry,) = new(Tag.DATABASE_REFUSE, before)
    assert entry.outcome == "refused" and new(Tag.DATABASE_INTRUSION, intrusions) == []
    assert entry.details["role"] == (role if role.isalpha() and len(role) < 64 else entry.details["role"])
    assert "\n" not in entry.details["role"] and len(entry.details["role"]) < 64


def test_what_could_not_be_recorded_is_read_again(cluster, monkeypatch):
    before = told(Tag.DATABASE_INTRUSION)
    sign_in(cluster)
    settle()

    def full(*_: object, **__: object) -> None:
        raise MiSentinelError("The disk is full.")

    with monkeypatch.context() as broken, pytest.raises(MiSentinelError):
        broken.setattr(sessions, "record_control", full)
        watch_sessions(cluster)
    assert watch_sessions(cluster) == 1
    assert len(new(Tag.DATABASE_INTRUSION, before)) == 1


def test_a_log_that_the_server_changed_is_read_to_its_end_and_removed(cluster):
    def files() -> list[Path]:
        return sorted((cluster.folder / server_log.FOLDER).glob("*.json"))

    (old,) = files()[-1:]
    sign_in(cluster)
    time.sleep(1.1)  # its name holds the second
    with psycopg.connect(cluster.dsn(role="postgres"), autocommit=True, **own("postgres", "postgres")) as connection:
        connection.execute("SELECT pg_rotate_logfile()")
    deadline = time.monotonic() + 20
    while files()[-1] == old and time.monotonic() < deadline:
        time.sleep(0.1)
    sign_in(cluster)
    settle()
    assert watch_sessions(cluster) == 2
    sign_in(cluster)
    settle()
    assert watch_sessions(cluster) == 1
    assert old not in files()


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path):
    folder = tmp_path / server_log.FOLDER
    folder.mkdir()
    line = (
        b'{"timestamp":"2026-01-02 03:04:05.678 UTC","user":"a","dbname":"b","pid":7,"error_severity":"LOG",'
        b'"message":"connection authorized: user=a database=b"}\n'
    )
    path = folder / "server-20260102T000000.json"
    path.write_bytes(line + line[:40])
    logins, reached = server_log.read_logins(tmp_path, server_log.Position())
    assert [(login.role, login.own, login.refused) for login in logins] == [("a", False, False)]
    path.write_bytes(line + line)
    logins, reached = server_log.read_logins(tmp_path, reached)
    assert len(logins) == 1 and reached.offset == 2 * len(line)
    assert server_log.read_logins(tmp_path, reached) == ([], reached)


def test_our_name_is_good_for_one_role_in_one_database():
    name = own_name("a", "b")
    assert is_own("a", "b", name) and len(name) <= 63
    assert not is_own("a", "c", name) and not is_own("c", "b", name) and not is_own("a", "b", "")
    assert not is_own("a", "b", "é")


def test_a_reading_is_kept_for_each_cluster(cluster):
    assert ServerLogReading.objects.filter(cluster="watched").exists()
