"""What is sealed is archived once, verifies from the archive alone, and may then leave the database; whatever breaks
is found.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from django.db import ProgrammingError, connections

from misentinel.cli.logs import Broken
from misentinel.cli.main import cli
from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, in_future, now
from misentinel.kernel.errors import Invalid, NotFound, Tampered, Unavailable
from misentinel.kernel.ids import new_id
from misentinel.store.queries import list_placements, owner_alias
from misentinel.trail import queries
from misentinel.trail.actions import record, rotate_key, seal
from misentinel.trail.archive import catalogue, keeping, places, terms
from misentinel.trail.archive.contracts import Cold
from misentinel.trail.archive.daily import look_after_archive
from misentinel.trail.archive.folder import FolderArchive
from misentinel.trail.archive.layout import COLUMNS, manifest_key
from misentinel.trail.archive.reading import recall
from misentinel.trail.archive.tests.places import Sent, over_s3, s3_client
from misentinel.trail.archive.verifying import verify_archive
from misentinel.trail.archive.writing import write_archive
from misentinel.trail.contracts import Tag
from misentinel.trail.models import Entry, Leaf
from misentinel.trail.rules.leaves import leaf_of
from misentinel.trail.rules.verifying import verify_log

ME = system("test")
LONG_AGO = now() - timedelta(days=500)


@pytest.fixture
def folder(tmp_path):
    with places.using(FolderArchive(tmp_path / "archive", "GB")) as place:
        yield place


@pytest.fixture(scope="module")
def client():
    with s3_client() as connected:
        yield connected


def tell(store, count: int = 1, at: datetime | None = None) -> list:
    tags = (Tag.PERSON_VIEW, Tag.SEGMENT_EDIT, Tag.SIGN_IN_FAIL)
    with held(at or now()), store.atomic():
        return [
            record(store, ME, tags[i % 3], object_kind="person", object_id=new_id(), details={"count": i, "ø": [1.5]},
                   after={"name": "Åsa"} if i % 5 == 0 else None)
            for i in range(count)
        ]  # fmt: skip


def seal_all(log) -> None:
    while seal(log):
        pass


def archive_all(log) -> list:
    seal_all(log)
    parts = []
    while (written := write_archive(ME, log)).parts:
        parts += written.parts
    return parts


@pytest.fixture
def log(acme):
    tell(acme, 40, at=LONG_AGO)
    tell(acme, 4)
    return queries.log_of(acme)


def verify(log, folder, **changed):
    manifests = [(part.key, part.manifest) for part in catalogue.list_parts(log)]
    options = {
        "keys": queries.verifier_keys(log),
        "file_of": lambda manifest: folder.local(manifest.part.key),
        **changed,
    }
    return verify_archive(options.pop("manifests", manifests), options.pop("keys"), options.pop("file_of"))


def test_what_is_sealed_is_archived_by_class_and_day_in_order_of_time(acme, log, folder) -> None:
    parts = archive_all(log)
    assert sum(part.rows for part in parts) == Leaf.objects.using(acme.alias).filter(index__lt=parts[-1].end).count()
    for part in parts:
        assert part.key.startswith(
            f"ext/misentinel-{part.class_uid}/1.0/region=GB/accountId={acme.customer_id}/eventDay="
        )
        rows = duckdb.read_parquet(str(folder.local(part.key)))
        assert rows.columns == list(COLUMNS)
        seen = rows.project("time, class_uid, log_index").fetchall()
        assert seen == sorted(seen) and {row[1] for row in seen} == {part.class_uid}
        assert {row[0].date() for row in seen} == {part.day}
    assert len({(part.class_uid, part.day) for part in parts}) == len(parts) > 3
    codecs = duckdb.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(folder.local(parts[0].key))])
    assert codecs.fetchall() == [("ZSTD",)]


def test_the_log_verifies_from_its_archive_alone(acme, log, folder) -> None:
    parts = archive_all(log)
    report = verify(log, folder)
    assert report.holds and report.entries == parts[-1].end and report.parts == len(parts)
    assert report.checkpoint.size == report.entries
    seal_all(log)  # the entries that tell of the archive are archived in their turn
    assert archive_all(log)
    rotate_key(ME, log)
    tell(acme, 3)
    archive_all(log)
    assert verify(log, folder).holds


def test_each_part_is_an_entry_with_its_signed_manifest(acme, log, folder) -> None:
    parts = archive_all(log)
    entries = Entry.objects.using(acme.alias).filter(tag=Tag.ARCHIVE_WRITE)
    assert {entry.details["manifest"] for entry in entries} == {part.manifest for part in parts}
    beside = folder.local(manifest_key(parts[0].key)).read_text()
    assert beside == parts[0].manifest and parts[0].sha256 in beside


def _flip(folder, part):
    path = folder.local(part.key)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_an_edited_object_is_found(log, folder) -> None:
    part = archive_all(log)[0]
    _flip(folder, part)
    assert f"{part.key} is not what was signed" in verify(log, folder).faults
    with pytest.raises(Tampered, match="evidence"):
        recall(log, [part.first])


def test_a_lost_object_is_found(log, folder) -> None:
    part = archive_all(log)[0]
    folder.local(part.key).unlink()
    assert f"{part.key} is missing" in verify(log, folder).faults


def test_a_manifest_that_was_left_out_is_found(log, folder) -> None:
    archive_all(log)
    manifests = [(part.key, part.manifest) for part in catalogue.list_parts(log)]
    assert "is missing from its batch" in verify(log, folder, manifests=manifests[1:]).faults[-1]


def test_a_manifest_that_was_changed_is_found(log, folder) -> None:
    archive_all(log)
    (key, text), *rest = [(part.key, part.manifest) for part in catalogue.list_parts(log)]
    forged = text.replace("\nrows ", "\nrows 9")
    assert any("forged" in told for told in verify(log, folder, manifests=[(key, forged), *rest]).faults)


def test_the_archive_of_another_customer_is_not_taken_for_this_ones(log, bolt, folder) -> None:
    archive_all(log)
    tell(bolt, 2)
    theirs = queries.log_of(bolt)
    archive_all(theirs)
    assert not verify(log, folder, keys=queries.verifier_keys(theirs)).holds


def test_an_entry_that_was_changed_in_the_database_is_not_archived(acme, log, folder) -> None:
    seal_all(log)
    placement = next(one for one in list_placements() if one.customer_id == acme.customer_id)
    with connections[owner_alias(placement.cluster, placement.database)].cursor() as cursor:
        cursor.execute("ALTER TABLE trail_entry DISABLE TRIGGER USER")
        cursor.execute("UPDATE trail_entry SET actor_id = 'somebody else' WHERE tag = 'segment:edit'")
        cursor.execute("ALTER TABLE trail_entry ENABLE TRIGGER USER")
        cursor.connection.close()
    with pytest.raises(Tampered, match="not the one that was sealed"):
        write_archive(ME, log)
    assert catalogue.archived_size(log) == 0


class Failing:
    """A place that stops working after so many calls of `put`, before or after it has kept the object."""

    def __init__(self, place, after: int, *, kept: bool) -> None:
        self._place, self._left, self._kept = place, after, kept

    def __getattr__(self, name):
        return getattr(self._place, name)

    def put(self, *arguments, **options):
        if self._left == 0 and not self._kept:
            raise Unavailable("cut off")
        version = self._place.put(*arguments, **options)
        if self._left == 0:
            raise Unavailable("cut off")
        self._left -= 1
        return version


@pytest.mark.parametrize(("after", "kept"), [(0, False), (0, True), (3, True), (8, False)])
def test_cut_off_anywhere_nothing_is_lost_or_doubled(acme, log, folder, after, kept) -> None:
    seal_all(log)
    with places.using(Failing(folder, after, kept=kept)), pytest.raises(Unavailable):
        write_archive(ME, log)
    assert catalogue.list_parts(log) == []  # nothing is said to be there
    tell(acme, 7)
    seal_all(log)  # what came meanwhile does not move the batch
    archive_all(log)
    files = list(Path(folder.name.removeprefix("folder:")).glob("ext/**/*.parquet"))
    told = catalogue.list_parts(log)
    assert sorted(map(str, files)) == sorted(str(folder.local(part.key)) for part in told)
    rows = duckdb.read_parquet([str(file) for file in files]).project("log_index").fetchall()
    assert Counter(row[0] for row in rows) == Counter(range(catalogue.archived_size(log)))
    assert verify(log, folder).holds
    assert Entry.objects.using(acme.alias).filter(tag=Tag.ARCHIVE_WRITE).count() == len(told)


def test_a_copy_is_checked_against_a_key_with_no_installation(log, bolt, folder) -> None:
    parts = archive_all(log)
    theirs = queries.log_of(bolt)
    tell(bolt)
    archive_all(theirs)
    root = folder.name.removeprefix("folder:")
    checked = ["archive", "check", root, "--key", str(queries.verifier_keys(log)[0])]
    good = CliRunner().invoke(cli, checked)
    assert good.exception is None and f"All {parts[-1].end} entries" in good.output
    _flip(folder, parts[-1])
    bad = CliRunner().invoke(cli, checked)
    assert isinstance(bad.exception, Broken) and parts[-1].key in bad.output.replace("\n", "")


def test_the_workers_run_writes_prunes_and_can_be_repeated(acme, log, folder) -> None:
    seal_all(log)
    look_after_archive(ME, log)
    size = catalogue.archived_size(log)
    assert size > 40
    assert not Entry.objects.using(acme.alias).filter(at__lt=now() - timedelta(days=400)).exists()
    seal_all(log)
    look_after_archive(ME, log)
    assert catalogue.archived_size(log) == size  # only what it did itself is new


def test_a_run_that_is_not_asked_for_waits_for_the_day_to_end(acme, bolt, folder) -> None:
    log = queries.log_of(bolt)
    tell(bolt, 3)
    seal_all(log)
    assert write_archive(ME, log, at_once=False).parts == ()
    with held(in_future(days=1)):
        assert write_archive(ME, log, at_once=False).parts
        seal_all(log)
    with held(in_future(days=2)):  # only that it was archived has happened since
        assert write_archive(ME, log, at_once=False).parts == ()


def test_the_operators_own_log_is_archived_too() -> None:
    """Where the settings say, for every test of this process shares that log."""
    log = queries.platform_log()
    archive_all(log)
    parts = catalogue.list_parts(log)
    assert parts and f"accountId=platform-{log.origin.rpartition('/')[2]}/" in parts[0].key
    assert verify(log, places.place()).holds


def test_what_the_database_lets_go_of_is_proved_from_the_archive(acme, log, folder) -> None:
    old = tell(acme, 5, at=LONG_AGO)
    archive_all(log)
    fresh = tell(acme, 1)
    seal_all(log)
    before = {name: queries.read_file(log, name) for name in ("tile/entries/000.p/40", "tile/entries/000.p/5")}
    assert keeping.prune(ME, log) >= 40
    assert keeping.prune(ME, log) == 0
    assert not Entry.objects.using(acme.alias).filter(id__in=old).exists()
    assert {name: queries.read_file(log, name) for name in before} == before
    seal_all(log)
    entry = Leaf.objects.using(acme.alias).get(index=3).entry_id
    assert not Entry.objects.using(acme.alias).filter(id=entry).exists()
    data, proof = queries.prove(log, entry)
    assert proof.verify(data, log.origin, queries.verifier_keys(log)).size > 40
    files = {"checkpoint": queries.read_file(log, "checkpoint")}
    report = verify_log(
        lambda path: files.get(path) or queries.read_file(log, path), queries.verifier_keys(log), log.origin
    )
    assert report.holds
    assert Entry.objects.using(acme.alias).filter(id=fresh[0]).exists()


def test_an_entry_in_the_archive_still_opens(acme, log, folder) -> None:
    archive_all(log)
    index = next(leaf.index for leaf in Leaf.objects.using(acme.alias).order_by("index")
                 if Entry.objects.using(acme.alias).get(id=leaf.entry_id).after is not None)  # fmt: skip
    entry = Leaf.objects.using(acme.alias).get(index=index).entry_id
    seen = queries.get_entry(acme, entry)
    keeping.prune(ME, log)
    assert not Entry.objects.using(acme.alias).filter(id=entry).exists()
    assert queries.get_entry(acme, entry) == seen and seen.after == {"name": "Åsa"}


def test_the_database_keeps_what_is_young_or_not_archived(acme, log, folder) -> None:
    archive_all(log)
    tell(acme, 4, at=LONG_AGO)
    seal_all(log)
    young = Entry.objects.using(acme.alias).filter(at__gte=now() - timedelta(days=7))
    kept = set(young.values_list("id", flat=True))
    for statement in (
        "DELETE FROM trail_entry",  # the customer's role has no right to
        "SELECT trail_let_go(0, 1000000, now())",  # the trigger refuses the first that is young or not archived
        "UPDATE trail_archivedpart SET first = 0",
        "DELETE FROM trail_archivedpart",
        "TRUNCATE trail_archivedpart",
    ):
        with pytest.raises(ProgrammingError), acme.atomic(), connections[acme.alias].cursor() as cursor:
            cursor.execute(statement)
    keeping.prune(ME, log)
    assert set(young.values_list("id", flat=True)) >= kept
    ends = catalogue.archived_size(log)
    waiting = Leaf.objects.using(acme.alias).filter(index__gte=ends).values("entry_id")
    assert Entry.objects.using(acme.alias).filter(id__in=waiting).count() == waiting.count()


def test_nothing_leaves_the_database_whose_object_is_not_where_it_should_be(acme, log, folder) -> None:
    parts = archive_all(log)
    folder.local(parts[0].key).unlink()
    assert keeping.prune(ME, log) == 0


def test_terms_and_holds_reach_what_is_archived_and_what_will_be(acme, log, folder) -> None:
    part = archive_all(log)[0]
    first = folder.look(part.key).retain_until
    assert first == terms.retained_until(part.day, terms.get_terms(acme.customer_id))
    terms.set_terms(ME, log, retention_days=4000)
    longer = folder.look(part.key).retain_until
    assert longer - first == timedelta(days=4000 - 2557)
    terms.set_terms(ME, log, retention_days=100)  # for what comes; what was promised stays
    assert folder.look(part.key).retain_until == longer
    with pytest.raises(Invalid, match="Say why"):
        terms.set_hold(ME, log, held=True, reason=" ")
    assert terms.set_hold(ME, log, held=True, reason="Case 7") == len(catalogue.list_parts(log))
    tell(acme)
    new = archive_all(log)
    assert all(folder.look(one.key).held for one in [part, *new])
    assert keeping.remove_expired(ME, log) == 0
    terms.set_hold(ME, log, held=False, reason="Case 7 closed")
    assert not any(folder.look(one.key).held for one in [part, *new])


def test_objects_go_when_their_time_is_over_and_their_manifest_stays(acme, log, folder) -> None:
    terms.set_terms(ME, log, retention_days=450)
    with held(LONG_AGO):  # as if it had been archived then
        parts = archive_all(log)
    old = [part for part in parts if part.day == LONG_AGO.date()]
    assert keeping.remove_expired(ME, log) == 0  # the database still has them
    keeping.prune(ME, log)
    assert keeping.remove_expired(ME, log) == len(old)
    assert keeping.remove_expired(ME, log) == 0
    assert not folder.local(old[0].key).exists() and folder.local(manifest_key(old[0].key)).exists()
    with pytest.raises(NotFound, match="retention is over"):
        recall(log, [old[0].first])
    assert Entry.objects.using(acme.alias).filter(tag=Tag.ARCHIVE_REMOVE).count() == len(old)


def test_on_s3_the_same_holds_and_glacier_gives_back(acme, log, client) -> None:
    with places.using(over_s3(client, str(acme.customer_id))):
        sent = Sent(client)
        parts = archive_all(log)
        put = sent.named("PutObject")
        assert len(put) == 2 * len(parts) and {told["ObjectLockMode"] for told in put} == {"COMPLIANCE"}
        assert {told["ObjectLockRetainUntilDate"] for told in put} == {
            terms.retained_until(part.day, terms.get_terms(acme.customer_id)) for part in parts
        }
        row = recall(log, [3])[3]
        assert leaf_of(row) == leaf_of(Entry.objects.using(acme.alias).get(id=row.id))


def test_what_lies_in_glacier_is_asked_for_and_then_read(acme, log, client) -> None:
    def send_cold(params, **_):
        if "/ext/" in params["Key"]:
            params["StorageClass"] = "GLACIER"  # as the lifecycle would have it later; the server runs none

    client.meta.events.register("provide-client-params.s3.PutObject", send_cold)
    with places.using(over_s3(client, f"cold-{acme.customer_id}")):
        try:
            parts = archive_all(log)
        finally:
            client.meta.events.unregister("provide-client-params.s3.PutObject", send_cold)
        with pytest.raises(Cold, match="misentinel archive restore"):
            recall(log, [parts[0].first])
        began = keeping.restore(ME, log)
        assert (began.cold, began.asked, began.done) == (len(parts), len(parts), False)
        later = keeping.restore(ME, log)
        assert (later.ready, later.asked, later.done) == (len(parts), 0, True)
        assert recall(log, [parts[0].first])
        assert Entry.objects.using(acme.alias).filter(tag=Tag.ARCHIVE_RESTORE).count() == 1
