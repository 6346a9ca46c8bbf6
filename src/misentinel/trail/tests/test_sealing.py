"""Every entry gets its place and its proof; and whatever is done to the log afterwards is found and named."""

from __future__ import annotations

import dataclasses
import hashlib
import threading

import pytest
from django.db import ProgrammingError, connections

from misentinel.kernel import canonical
from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, in_future
from misentinel.kernel.errors import NotFound
from misentinel.kernel.ids import new_id
from misentinel.trail import queries
from misentinel.trail.actions import find_withheld, record, rotate_key, seal
from misentinel.trail.actions.sealing import KEY_OVERLAP
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.models import Entry, Leaf, SignedCheckpoint, Waiting
from misentinel.trail.rules import leaves, tiles
from misentinel.trail.rules.checkpoints import Checkpoint, Proof
from misentinel.trail.rules.notes import Note
from misentinel.trail.rules.verifying import verify_log

ME = system("test")


def tell(store, count: int = 1) -> list:
    with store.atomic():
        return [record(store, ME, Tag.PERSON_VIEW, object_kind="person", object_id=new_id()) for _ in range(count)]


def seal_all(log) -> int:
    sealed = 0
    while found := seal(log):
        sealed += found
    return sealed


def mirror(log) -> dict[str, bytes]:
    """Every file of the log, as somebody keeps who does not trust us."""
    size = Checkpoint.parse(queries.latest_checkpoint(log).text).size
    names = [*tiles.tiles_of(size), *tiles.bundles_of(size)]
    return {name: queries.read_file(log, name) for name in ["checkpoint", *(n.path for n in names)]}


@pytest.fixture
def log(acme):
    tell(acme, 300)
    found = queries.log_of(acme)
    seal_all(found)
    return found


def verify(files, log, **options):
    return verify_log(files.get, queries.verifier_keys(log), log.origin, **options)


def test_what_is_committed_is_sealed_once_in_order_and_verifies(acme, log) -> None:
    assert Waiting.objects.using(acme.alias).count() == 0
    assert seal(log) == 0
    report = verify(mirror(log), log)
    assert report.holds and report.entries == Entry.objects.using(acme.alias).count()
    assert [leaf.index for leaf in Leaf.objects.using(acme.alias).order_by("index")] == [*range(report.entries)]


def test_growing_keeps_what_was_signed_before(acme, log) -> None:
    seen = Checkpoint.parse(queries.latest_checkpoint(log).text)
    for more in (1, 2, 255, 256, 100):
        tell(acme, more)
        seal_all(log)
        files = mirror(log)
        assert verify(files, log, seen=seen).holds
        seen = Checkpoint.parse(Note.parse(files["checkpoint"]).text)


def test_what_is_rolled_back_is_never_sealed(acme, log) -> None:
    before = Checkpoint.parse(queries.latest_checkpoint(log).text).size
    with pytest.raises(ZeroDivisionError), acme.atomic():
        record(acme, ME, Tag.PERSON_VIEW)
        raise ZeroDivisionError
    assert seal(log) == 0
    assert Checkpoint.parse(queries.latest_checkpoint(log).text).size == before


def test_an_entry_is_proved_by_a_file_that_stands_alone(acme, log) -> None:
    (entry_id,) = tell(acme)
    with pytest.raises(NotFound, match="sealed"):
        queries.prove(log, entry_id)
    seal_all(log)
    data, proof = queries.prove(log, entry_id)
    assert str(entry_id).encode() in data
    Proof.parse(str(proof)).verify(data, log.origin, queries.verifier_keys(log))


def test_two_who_seal_at_once_give_every_entry_one_place(acme, log) -> None:
    tell(acme, 600)
    faults = []

    def work() -> None:
        try:
            while seal(log, limit=50):
                pass
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    seal_all(log)
    assert verify(mirror(log), log).holds


@pytest.mark.parametrize("model", [Leaf, SignedCheckpoint])
def test_the_customers_role_can_neither_change_nor_remove_a_place(acme, log, model) -> None:
    for attack in (
        lambda: model.objects.using(acme.alias).all().delete(),
        lambda: model.objects.using(acme.alias).update(**{"entry_id" if model is Leaf else "note": new_id()}),
    ):
        with pytest.raises(ProgrammingError), acme.atomic():
            attack()


def attack_edit(files, log):
    path = "tile/entries/000"
    files[path] = files[path].replace(b"person:view", b"person:list", 1)


def attack_delete(files, log):
    entries = tiles.unbundle(files["tile/entries/000"])
    files["tile/entries/000"] = tiles.bundle(entries[:3] + entries[4:])


def attack_insert(files, log):
    entries = tiles.unbundle(files["tile/entries/000"])
    files["tile/entries/000"] = tiles.bundle([*entries[:3], b"{}", *entries[3:]])


def attack_reorder(files, log):
    entries = tiles.unbundle(files["tile/entries/000"])
    files["tile/entries/000"] = tiles.bundle([entries[1], entries[0], *entries[2:]])


def attack_truncate(files, log):
    last = max(path for path in files if path.startswith("tile/entries/"))
    files[last] = tiles.bundle(tiles.unbundle(files[last])[:-1])


def attack_edit_with_its_tile(files, log):
    entries = tiles.unbundle(files["tile/entries/000"])
    entries[7] = entries[7].replace(b"person:view", b"person:list")
    files["tile/entries/000"], files["tile/0/000"] = tiles.bundle(entries), tiles.level_zero(entries)


def attack_checkpoint(files, log):
    files["checkpoint"] = files["checkpoint"].replace(b"\n3", b"\n2", 1)


def attack_no_checkpoint(files, log):
    del files["checkpoint"]


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (attack_edit, "entry 1 is not the one"), (attack_delete, "entry 3 is not the one"),
        (attack_insert, "entry 3 is not the one"), (attack_reorder, "entry 0 is not the one"),
        (attack_truncate, "missing"), (attack_edit_with_its_tile, "does not follow from the tiles below"),
        (attack_checkpoint, "forged"), (attack_no_checkpoint, "cannot be trusted"),
    ],
)  # fmt: skip
def test_what_is_done_to_the_files_is_found_and_named(log, attack, told) -> None:
    files = mirror(log)
    attack(files, log)
    report = verify(files, log)
    assert not report.holds and told in " ".join(report.faults), report.faults


def test_a_fork_and_a_replay_are_found_by_whoever_kept_a_checkpoint(acme, log) -> None:
    seen = Checkpoint.parse(queries.latest_checkpoint(log).text)
    old = mirror(log)
    tell(acme, 5)
    seal_all(log)
    later = Checkpoint.parse(queries.latest_checkpoint(log).text)
    assert "replayed" in verify(old, log, seen=later).faults[0]
    forked = dataclasses.replace(seen, root=bytes(32))
    assert "forked" in verify(mirror(log), log, seen=forked).faults[0]


def test_another_customers_log_and_another_key_are_refused(acme, bolt, log) -> None:
    tell(bolt)
    theirs = queries.log_of(bolt)
    seal_all(theirs)
    keys = [*queries.verifier_keys(log), *queries.verifier_keys(theirs)]
    assert "not of" in verify_log(mirror(theirs).get, keys, log.origin).faults[0]
    report = verify_log(mirror(log).get, queries.verifier_keys(theirs), log.origin)
    assert "nobody known" in report.faults[0]


def test_both_keys_of_a_rotation_sign_and_then_the_new_one_alone(acme, log) -> None:
    old = queries.verifier_keys(log)
    assert rotate_key(ME, log) == 2
    tell(acme)
    seal_all(log)
    new = queries.verifier_keys(log)
    assert new[1:] == old
    for keys in (old, new[:1]):
        assert verify_log(mirror(log).get, keys, log.origin).holds
    with held(in_future(days=KEY_OVERLAP.days + 1)):
        tell(acme)
        seal_all(log)
    assert verify_log(mirror(log).get, new[:1], log.origin).holds
    assert not verify_log(mirror(log).get, old, log.origin).holds


def test_a_customers_checkpoint_is_an_entry_of_the_platform_log_which_seals_itself(acme, log) -> None:
    told = queries.list_platform_entries(EntryFilter(tag="checkpoint:sign", object_id=str(acme.customer_id))).entries
    latest = Checkpoint.parse(queries.latest_checkpoint(log).text)
    assert told[0].details == {"size": latest.size, "root": latest.root.hex()}
    ours = queries.platform_log()
    seal_all(ours)
    assert seal(ours) == 0, "sealing the platform log adds nothing to it"
    _, proof = queries.prove(ours, told[0].id)
    assert proof.index < Checkpoint.parse(proof.checkpoint.text).size


def test_an_entry_too_large_for_a_leaf_is_stored_whole_and_held_by_its_digests(acme, log) -> None:
    large = {"name": "x" * 60_000}
    with acme.atomic():
        entry_id = record(
            acme, ME, Tag.PERSON_EDIT, details={"fields": ["y" * 50] * 2000}, before=large, after={"a": 1}
        )
    seal_all(log)
    data, proof = queries.prove(log, entry_id)
    row = Entry.objects.using(acme.alias).get(id=entry_id)
    told = canonical.loads(data)
    assert len(data) < 1000 and not {"details", "before", "after"} & set(told)
    assert told["details_sha256"] == hashlib.sha256(canonical.dumps(row.details)).hexdigest()
    assert told["before_sha256"] == hashlib.sha256(bytes(row.before)).hexdigest()
    assert told["after_sha256"] == hashlib.sha256(bytes(row.after)).hexdigest()
    proof.verify(data, log.origin, queries.verifier_keys(log))


def test_whoever_holds_a_large_entry_can_tell_whether_the_log_has_that_one(acme, log) -> None:
    with acme.atomic():
        entry_id = record(acme, ME, Tag.PERSON_EDIT, details={"fields": ["y" * 50] * 2000}, after={"a": 1})
    seal_all(log)
    _, proof = queries.prove(log, entry_id)
    keys = queries.verifier_keys(log)
    row = Entry.objects.using(acme.alias).get(id=entry_id)
    whole = leaves.whole_of(row)
    proof.verify(leaves.leaf_from(whole), log.origin, keys)
    row.details["fields"][7] = "z"
    others = [whole.replace(b'"after":"', b'"after":"AAAA', 1), whole.replace(b"done", b"gone", 1)]
    for forged in [leaves.whole_of(row), *others]:
        with pytest.raises(ValueError, match="not at this index"):
            proof.verify(leaves.leaf_from(forged), log.origin, keys)


def test_what_only_looks_like_an_entry_has_no_leaf() -> None:
    padding = b"x" * (tiles.LARGEST_ENTRY + 1)
    for whole in (padding, b'["%s"]' % padding, b'{"a": "%s"}' % padding, b'{"a":"%s"}' % padding):
        with pytest.raises(ValueError):
            leaves.leaf_from(whole)


def test_the_largest_leaf_is_as_large_as_a_bundle_takes(acme, log) -> None:
    row = Entry.objects.using(acme.alias).first()
    row.details = {"x": ""}
    row.details = {"x": "x" * (tiles.LARGEST_ENTRY - len(leaves.leaf_of(row)))}
    assert len(leaves.leaf_of(row)) == tiles.LARGEST_ENTRY and b'"details"' in leaves.leaf_of(row)
    row.details["x"] += "x"
    assert len(leaves.leaf_of(row)) < 1000


@pytest.mark.parametrize(
    "path", ["tile/0/999", "tile/entries/000.p/255", "tile/9/000", "etc/passwd", "", "tile/0/001.p/250"]
)
def test_a_file_that_is_not_part_of_the_log_is_nothing(acme, log, path) -> None:
    if path == "tile/entries/000.p/255":
        assert queries.read_file(log, path) is not None, "a partial one that was outgrown can still be fetched"
    else:
        assert queries.read_file(log, path) is None


def test_an_entry_that_somebody_took_out_of_the_queue_is_found_told_and_sealed(acme, caplog):
    (entry_id,) = tell(acme)
    log = queries.log_of(acme)
    Waiting.objects.using(acme.alias).filter(entry_id=entry_id).delete()
    seal_all(log)
    with pytest.raises(NotFound):
        queries.prove(log, entry_id)
    assert find_withheld(log) == 0  # it might still be on its way
    with held(in_future(minutes=6)), caplog.at_level("CRITICAL"):
        assert find_withheld(log) == 1
        assert find_withheld(log) == 0
    assert "taken out of the queue" in caplog.text
    seal_all(log)
    assert queries.prove(log, entry_id)
    (told,) = queries.list_entries(acme, EntryFilter(tag=Tag.LOG_WITHHELD)).entries
    assert told.details == {"count": 1}


def test_what_waits_or_is_sealed_was_withheld_by_nobody(log, acme):
    tell(acme, 3)
    with held(in_future(minutes=6)):
        assert find_withheld(log) == 0
