"""Strangers' verifiers read our log and find what was done to it, as does ours; and ours reads a log that Go made.

Go's are `golang.org/x/mod/sumdb/{note,tlog}`, with which Go guards its own checksum database, called by the small
program in `go/trail.go`. Debian: golang-go and golang-golang-x-mod-dev. Sigstore's checks inclusion in Rekor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError

from conftest import _customer
from misentinel.cli import command
from misentinel.cli.main import cli
from misentinel.customers.queries import get_customer
from misentinel.kernel.actor import system
from misentinel.kernel.ids import new_id
from misentinel.trail import queries
from misentinel.trail.actions import record, seal
from misentinel.trail.contracts import Tag
from misentinel.trail.models import Head
from misentinel.trail.queries.logs import signers
from misentinel.trail.rules import merkle, tiles
from misentinel.trail.rules.checkpoints import Checkpoint, Proof
from misentinel.trail.rules.notes import Note, Signer

HERE = Path(__file__).parent
LIBRARY = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")
needs_go = pytest.mark.skipif(
    shutil.which("go") is None or not LIBRARY.exists(), reason="Go or golang-golang-x-mod-dev is not installed here"
)
pytestmark = pytest.mark.strangers
ORIGIN_OF_GO = "go.example.com/log"


@dataclass(frozen=True)
class Mirror:
    """A log in a folder, with what a stranger was given: its key, and a checkpoint and a proof from before."""

    folder: Path
    key: str
    origin: str
    seen: Path
    proof: Path
    signer: Signer


@pytest.fixture(scope="module", autouse=True)
def unprepared() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_prepare", lambda: None)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[Mirror]:
    yield from _mirror_of("Acme", tmp_path_factory.mktemp("acme"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Iterator[Mirror]:
    yield from _mirror_of("Bolt", tmp_path_factory.mktemp("bolt"))


@pytest.fixture
def log(whole: Mirror, tmp_path: Path) -> Mirror:
    """A copy to tamper with."""
    shutil.copytree(whole.folder, tmp_path / "log")
    return replace(whole, folder=tmp_path / "log")


@pytest.fixture(scope="module")
def go(tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = tmp_path_factory.mktemp("go") / "trail"
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", program, "trail.go"], cwd=HERE / "go", env=environment, check=True)
    return lambda *told: subprocess.run([program, *told], capture_output=True, text=True, timeout=60, check=False)


def _mirror_of(name: str, home: Path) -> Iterator[Mirror]:
    """600 entries, of which the first 300 and a few were sealed before the rest, as the command line hands them out."""
    made = _customer(name)
    store = next(made)
    log, slug = queries.log_of(store), get_customer(store.customer_id).slug
    for name in ("seen", "last"):
        with store.atomic():
            ids = [record(store, system("test"), Tag.PERSON_VIEW, object_id=new_id()) for _ in range(300)]
        seal(log)
        (home / name).write_text(str(queries.latest_checkpoint(log)))
    key = ours("trail", "keys", "--customer", slug).output.splitlines()[1]
    ours("trail", "mirror", str(home / "log"), "--customer", slug)
    ours("trail", "prove", str(ids[7]), "--customer", slug, "--output", str(home / "one.tlog-proof"))
    (signer,) = signers(log, Head.objects.using(log.alias).get())
    yield Mirror(home / "log", key, log.origin, home / "seen", home / "one.tlog-proof", signer)
    next(made, None)


def ours(*arguments: str):
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exception is None, (done.output, done.exception)
    return done


def our_verdict(*arguments: object) -> str:
    """What `misentinel trail verify` says; ends in its error where it finds one."""
    done = CliRunner().invoke(cli, ["trail", "verify", *map(str, arguments)])
    return done.output + (f"does not hold: {done.exception}" if done.exception else "")


def test_sigstores_verifier_finds_every_entry_where_we_say_and_no_other(whole):
    size, root, nodes, entries = opened(whole.folder)
    for index in (0, 1, 255, 256, 299, 511, 512, size - 1):
        proof = SimpleNamespace(
            log_index=index, tree_size=size, root_hash=root, hashes=merkle.inclusion_proof(index, size, nodes)
        )
        told = SimpleNamespace(inclusion_proof=proof, canonicalized_body=entries[index])
        verify_merkle_inclusion(SimpleNamespace(_inner=told))
        for change in ({"log_index": (index + 1) % size}, {"root_hash": bytes(32)}, {"hashes": proof.hashes[1:]}):
            wrong = vars(told) | {"inclusion_proof": SimpleNamespace(**vars(proof) | change)}
            with pytest.raises(VerificationError):
                verify_merkle_inclusion(SimpleNamespace(_inner=SimpleNamespace(**wrong)))
        told.canonicalized_body += b" "
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(SimpleNamespace(_inner=told))


@needs_go
def test_a_go_program_with_the_key_and_the_files_confirms_our_log(whole, go):
    done = go("verify", whole.folder, whole.key, whole.seen)
    assert (done.returncode, done.stdout) == (0, f"{opened(whole.folder)[0]} entries hold\n"), done.stdout
    done = go("prove", whole.proof, whole.proof.with_suffix(".entry"), whole.key)
    assert done.returncode == 0, done.stdout


def test_so_does_ours(whole):
    assert "entries are as they were signed" in our_verdict(whole.folder, "--key", whole.key, "--seen", whole.seen)
    assert "is as it was signed" in our_verdict(whole.proof, "--key", whole.key)


@needs_go
@pytest.mark.parametrize("size", [1, 256, 257, 700])
def test_our_verifier_confirms_a_log_that_go_made_and_finds_what_is_changed_in_it(go, tmp_path, size):
    key = go("make", tmp_path, str(size), ORIGIN_OF_GO).stdout.strip()
    assert f"All {size} entries" in our_verdict(tmp_path, "--key", key)
    (first,) = (tmp_path / "tile/entries").glob("000" if size >= 256 else "000.p/*")
    first.write_bytes(first.read_bytes().replace(b"entry 0 of", b"entry 9 of"))
    assert "entry 0 is not the one" in our_verdict(tmp_path, "--key", key)


# What a thief, or we ourselves, might do to the log, and how both verifiers name it: (attack, ours, Go's).


def edit(log: Mirror) -> None:
    change_entries(log, lambda entries: [entries[0].replace(b"customer:", b"person__:"), *entries[1:]])


def delete(log: Mirror) -> None:
    change_entries(log, lambda entries: entries[:3] + entries[4:])


def insert(log: Mirror) -> None:
    change_entries(log, lambda entries: [*entries[:3], b"{}", *entries[3:]])


def reorder(log: Mirror) -> None:
    change_entries(log, lambda entries: [entries[1], entries[0], *entries[2:]])


def edit_with_its_tile(log: Mirror) -> None:
    change_entries(log, lambda entries: [entries[0].replace(b"customer:", b"person__:"), *entries[1:]])
    path = log.folder / "tile/0/000"
    path.write_bytes(tiles.level_zero(tiles.unbundle((log.folder / "tile/entries/000").read_bytes())))


def truncate(log: Mirror) -> None:
    (last,) = (log.folder / "tile/entries").glob("002.p/*")
    last.write_bytes(tiles.bundle(tiles.unbundle(last.read_bytes())[:-1]))


def truncate_and_say_so(log: Mirror) -> None:
    """Without the log's key, a smaller size is a forged checkpoint."""
    size = opened(log.folder)[0]
    path = log.folder / "checkpoint"
    path.write_text(path.read_text().replace(f"\n{size}\n", f"\n{size - 1}\n"))


def lose_the_checkpoint(log: Mirror) -> None:
    (log.folder / "checkpoint").unlink()


def sign_with_another_key(log: Mirror) -> None:
    path = log.folder / "checkpoint"
    text = Note.parse(path.read_bytes()).text
    other = Signer(log.origin, Ed25519PrivateKey.generate())
    path.write_text(str(Note(text, (other.sign(text),))))


def fork(log: Mirror) -> None:
    """We ourselves, with our own key: another history of the same length, well signed. Only what was seen tells."""
    entries = opened(log.folder)[3]
    sign_anew(log, [entries[0].replace(b"customer:", b"person__:"), *entries[1:]])


def replay(log: Mirror) -> None:
    """We ourselves: an old state, well signed, as if nothing had happened since. Only what was seen tells."""
    sign_anew(log, opened(log.folder)[3][:299])


ATTACKS = [
    (edit, "entry 0 is not the one", "entry 0"), (delete, "entry 3 is not the one", "has 255 entries"),
    (insert, "entry 3 is not the one", "has 257 entries"), (reorder, "entry 0 is not the one", "entry 0"),
    (edit_with_its_tile, "does not follow from the tiles below", "entry 0"), (truncate, "are missing", "entries, not"),
    (truncate_and_say_so, "is forged", "invalid signature"), (lose_the_checkpoint, "cannot be trusted", "no such file"),
    (sign_with_another_key, "nobody known signed", "no verifiable signatures"),
    (fork, "the log was forked", "history"), (replay, "cut, or an old state replayed", "and had"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "told", "_"), ATTACKS, ids=lambda a: getattr(a, "__name__", ""))
def test_the_command_finds_it_and_names_it(log, attack, told, _):
    attack(log)
    verdict = our_verdict(log.folder, "--key", log.key, "--seen", log.seen)
    assert told in verdict and "does not hold: This log is not what was signed" in verdict, verdict


@needs_go
@pytest.mark.parametrize(("attack", "_", "told"), ATTACKS, ids=lambda a: getattr(a, "__name__", ""))
def test_the_go_program_finds_it_too(log, go, attack, _, told):
    attack(log)
    done = go("verify", log.folder, log.key, log.seen)
    assert done.returncode == 1 and told in done.stdout, done.stdout


def test_a_fork_and_a_replay_stand_for_whoever_has_seen_nothing(log):
    """Which is why customers, and witnesses, keep checkpoints."""
    fork(log)
    assert "are as they were signed" in our_verdict(log.folder, "--key", log.key)
    replay(log)
    assert "All 299 entries" in our_verdict(log.folder, "--key", log.key)


@needs_go
def test_another_customers_log_in_place_of_ones_own_is_refused_by_both(whole, theirs, go):
    assert "nobody known signed" in our_verdict(theirs.folder, "--key", whole.key)
    assert "no verifiable signatures" in go("verify", theirs.folder, whole.key).stdout
    both = ("--key", whole.key, "--key", theirs.key)
    assert "of one log" in our_verdict(theirs.folder, *both)


@needs_go
def test_a_proof_proves_its_own_entry_alone(whole, theirs, go, tmp_path):
    for name in (".tlog-proof", ".entry"):
        shutil.copy(whole.proof.with_suffix(name), tmp_path / f"one{name}")
    proof, entry = tmp_path / "one.tlog-proof", tmp_path / "one.entry"
    assert our_verdict(proof, "--key", theirs.key).count("does not hold")
    made = proof.read_text()
    index = Proof.parse(made).index
    proof.write_text(made.replace(f"index {index}", f"index {index - 1}"))
    for verdict in (our_verdict(proof, "--key", whole.key), go("prove", proof, entry, whole.key).stdout):
        assert "does not hold" in verdict
    proof.write_text(made)
    entry.write_bytes(entry.read_bytes().replace(b"person:view", b"person:list"))
    for verdict in (our_verdict(proof, "--key", whole.key), go("prove", proof, entry, whole.key).stdout):
        assert "does not hold" in verdict


def opened(folder: Path) -> tuple[int, bytes, merkle.Nodes, list[bytes]]:
    """The size, root, tree and entries of a mirror."""
    found = Checkpoint.parse(Note.parse((folder / "checkpoint").read_bytes()).text)
    entries = [
        entry for name in tiles.bundles_of(found.size) for entry in tiles.unbundle((folder / name.path).read_bytes())
    ]

    def read(level: int, index: int, _: int) -> bytes:
        width = min(tiles.WIDTH, (found.size >> (tiles.HEIGHT * level)) - index * tiles.WIDTH)
        return (folder / tiles.TileName(level, index, width).path).read_bytes()

    return found.size, found.root, tiles.nodes_in(read), entries


def change_entries(log: Mirror, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = log.folder / "tile/entries/000"
    path.write_bytes(tiles.bundle(change(tiles.unbundle(path.read_bytes()))))


def sign_anew(log: Mirror, entries: list[bytes]) -> None:
    """Replaces the log by one of `entries`, signed by the log's own key."""
    shutil.rmtree(log.folder)
    grown = tiles.grow(0, list(map(merkle.leaf_hash, entries)), lambda level, index, width: b"")
    files = {
        tiles.TileName(level, index, len(data) // merkle.HASH_BYTES).path: data
        for (level, index), data in grown.items()
    }
    for name in tiles.bundles_of(len(entries)):
        first = name.index * tiles.WIDTH
        files[name.path] = tiles.bundle(entries[first : first + name.width])
    nodes = tiles.nodes_in(lambda level, index, width: grown[level, index])
    text = Checkpoint(log.origin, len(entries), merkle.root_of(len(entries), nodes)).text
    files["checkpoint"] = str(Note(text, (log.signer.sign(text),))).encode()
    for path, data in files.items():
        (log.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (log.folder / path).write_bytes(data)
