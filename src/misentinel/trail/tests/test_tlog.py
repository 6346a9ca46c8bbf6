"""Trees, tiles, notes, checkpoints and proofs: against the specifications' own words, and against every forgery."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from misentinel.trail.rules import merkle, tiles
from misentinel.trail.rules.checkpoints import Checkpoint, Proof, trusted
from misentinel.trail.rules.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash
from misentinel.trail.rules.notes import KeyType, Note, Signer, VerifierKey

# The reference inputs of certificate transparency's own tests, and the roots over the first n of them.
CT_LEAVES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip  # noqa: E501
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
SPECIFIED_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPECIFIED_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SIZES = st.integers(1, 700)


def oracle(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(oracle(leaves[:k]), oracle(leaves[k:]))


class Log:
    """A log kept as tiles and bundles in memory."""

    def __init__(self, size: int) -> None:
        self.entries = [b"entry %d" % i for i in range(size)]
        self.files: dict[str, bytes] = {}
        hashes = [leaf_hash(entry) for entry in self.entries]
        for name in tiles.tiles_of(size):
            step = tiles.WIDTH**name.level
            first = name.index * tiles.WIDTH
            covered = [b"".join(hashes[(first + i) * step : (first + i + 1) * step]) for i in range(name.width)]
            self.files[name.path] = b"".join(map(merkle.fold, covered))
        for name in tiles.bundles_of(size):
            first = name.index * tiles.WIDTH
            self.files[name.path] = tiles.bundle(self.entries[first : first + name.width])
        self.nodes = tiles.nodes_in(self._read)

    def _read(self, level: int, index: int, width: int) -> bytes:
        last = max((n for n in map(tiles.parse_path, self.files) if n.level == level and n.index == index), key=lambda n: n.width)  # fmt: skip  # noqa: E501
        return self.files[last.path]


LOGS = {size: Log(size) for size in (1, 2, 3, 255, 256, 257, 511, 700)}


@pytest.mark.parametrize("size", CT_ROOTS)
def test_roots_are_those_of_the_reference(size) -> None:
    hashes = [leaf_hash(leaf) for leaf in CT_LEAVES]
    nodes = lambda level, index: merkle.fold(b"".join(hashes[index << level : (index + 1) << level]))  # noqa: E731
    assert merkle.root_of(size, nodes).hex() == CT_ROOTS[size] == oracle(CT_LEAVES[:size]).hex()


@pytest.mark.parametrize("size", LOGS)
def test_a_tree_in_tiles_has_the_root_of_the_definition(size) -> None:
    log = LOGS[size]
    for smaller in {0, 1, size // 2, size - 1, size}:
        assert merkle.root_of(smaller, log.nodes) == oracle(log.entries[:smaller])


@given(SIZES, st.data())
def test_every_entry_is_proved_and_nothing_else_is(size, data) -> None:
    log = LOGS[700]
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(index, size, log.nodes), merkle.root_of(size, log.nodes)
    leaf = leaf_hash(log.entries[index])
    assert merkle.proves_inclusion(leaf, index, size, proof, root)
    other = data.draw(st.integers(0, size).filter(lambda i: i != index))
    assert not merkle.proves_inclusion(leaf, other, size, proof, root)
    assert not merkle.proves_inclusion(leaf_hash(b"forged"), index, size, proof, root)
    assert not merkle.proves_inclusion(leaf, index, size, [*proof, root], root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.proves_inclusion(leaf, index, size, proof[:at] + proof[at + 1 :], root)
        forged = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        assert not merkle.proves_inclusion(leaf, index, size, forged, root)


@given(st.integers(1, 2**26), st.data())
def test_the_tiles_for_a_proof_are_all_that_it_reads(size, data) -> None:
    index = data.draw(st.integers(0, size - 1))
    named, read = set(tiles.tiles_for_proof(index, size)), set()

    def tile(level: int, at: int, width: int) -> bytes:
        read.add((level, at))
        return bytes(HASH_BYTES * tiles.WIDTH)

    merkle.inclusion_proof(index, size, tiles.nodes_in(tile))
    assert read <= named and len(named) <= 3 * 4


@given(SIZES, st.data())
def test_every_beginning_is_proved_and_no_other_history_is(size, data) -> None:
    log = LOGS[700]
    old = data.draw(st.integers(0, size))
    proof = merkle.consistency_proof(old, size, log.nodes)
    before, after = merkle.root_of(old, log.nodes), merkle.root_of(size, log.nodes)
    assert merkle.proves_consistency(old, size, before, after, proof)
    forked = leaf_hash(b"another history")
    assert not merkle.proves_consistency(old, size, forked, after, proof)
    if old:  # whatever comes after nothing is consistent with it
        assert not merkle.proves_consistency(old, size, before, forked, proof)
    if proof:
        assert not merkle.proves_consistency(old, size, before, after, proof[:-1])
        assert not merkle.proves_consistency(old, size, before, after, [*proof, forked])


def test_nothing_is_proved_of_what_is_not_there() -> None:
    nodes = LOGS[3].nodes
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError):
            merkle.inclusion_proof(index, size, nodes)
        assert not merkle.proves_inclusion(EMPTY_ROOT, index, size, [], EMPTY_ROOT)
    with pytest.raises(ValueError):
        merkle.consistency_proof(4, 3, nodes)
    assert not merkle.proves_consistency(4, 3, EMPTY_ROOT, EMPTY_ROOT, [])


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    names = [*tiles.tiles_of(70_000)]
    count = {(n.level, n.width == tiles.WIDTH): 0 for n in names}
    for n in names:
        count[n.level, n.width == tiles.WIDTH] += 1
    assert count == {(0, True): 273, (0, False): 1, (1, True): 1, (1, False): 1, (2, False): 1}
    assert {(n.level, n.width) for n in names if n.width < tiles.WIDTH} == {(0, 112), (1, 17), (2, 1)}
    assert [n.path for n in tiles.tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]


@given(st.none() | st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_a_tiles_path_is_read_back(level, index, width) -> None:
    name = tiles.TileName(level, index, width)
    assert tiles.parse_path(name.path) == name


@pytest.mark.parametrize(
    "path",
    ["tile/0/1", "tile/00/001", "tile/64/001", "tile/0/x001", "tile/0/x000/001", "tile/0/001.p/0", "tile/0/001.p/256",
     "tile/0/001.p/01", "tile/0/001/", "/tile/0/001", "tile/0/../001", "tile/entry/001", "tile/0/x001/x234/067\n",
     "tile/0/٠٠١"],
)  # fmt: skip
def test_another_spelling_of_a_path_names_nothing(path) -> None:
    assert tiles.parse_path(path) is None


def test_the_specifications_path() -> None:
    assert tiles.TileName(0, 1_234_067).path == "tile/0/x001/x234/067"


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_growing_adds_what_a_tree_made_at_once_has(first, more) -> None:
    size = first + more
    whole = {n.path for n in tiles.tiles_of(size)}
    grown = {n.path for n in tiles.tiles_of(first)} | {n.path for n in tiles.tiles_of(size, first)}
    assert whole <= grown
    assert all(tiles.parse_path(path).width < tiles.WIDTH for path in grown - whole), "only partial ones are outgrown"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_back_and_hashes_to_its_tile(entries) -> None:
    assert tiles.unbundle(tiles.bundle(entries)) == entries
    assert len(tiles.level_zero(entries)) == HASH_BYTES * len(entries)


def test_a_bundle_that_is_cut_or_too_long_is_refused() -> None:
    whole = tiles.bundle([b"one", b"two"])
    for end in (1, 3, 4, 6, 9):
        with pytest.raises(ValueError, match="middle"):
            tiles.unbundle(whole[:end])
    tiles.bundle([bytes(tiles.LARGEST_ENTRY)])
    with pytest.raises(ValueError, match="65535"):
        tiles.bundle([bytes(tiles.LARGEST_ENTRY + 1)])


def test_the_specifications_note_is_verified_by_its_key() -> None:
    key = VerifierKey.parse(SPECIFIED_KEY)
    assert str(key) == SPECIFIED_KEY
    note = Note.parse(SPECIFIED_NOTE.encode())
    assert note.verified_by([key]) == [key]
    assert str(note) == SPECIFIED_NOTE
    with pytest.raises(ValueError, match="forged"):
        Note("This is another message.\n", note.signatures).verified_by([key])


@pytest.mark.parametrize(
    "change",
    [lambda n: n.replace("— ", "- "), lambda n: n.replace("\n\n", "\n"), lambda n: n[:-1], lambda n: n.replace("=", ""),
     lambda n: n.replace("message", "mess\tage"), lambda n: n + "more\n", lambda n: n.replace("foo Uw", "f+oo Uw"),
     lambda n: n.split("— ")[0]],
)  # fmt: skip
def test_what_is_no_signed_note_is_refused(change) -> None:
    with pytest.raises(ValueError):
        Note.parse(change(SPECIFIED_NOTE)).verified_by([VerifierKey.parse(SPECIFIED_KEY)])


@pytest.mark.parametrize(
    "change",
    [lambda k: k.replace("530d", "530e"), lambda k: k.replace("Aek", "Bek"), lambda k: k + "AA", lambda k: "x"],
)
def test_a_key_that_does_not_fit_its_id_is_refused(change) -> None:
    with pytest.raises(ValueError):
        VerifierKey.parse(change(SPECIFIED_KEY))


LOG = Signer("acme.example.com/trail", Ed25519PrivateKey.from_private_bytes(b"1" * 32))
WITNESS = Signer("witness.example.com/w", Ed25519PrivateKey.from_private_bytes(b"2" * 32), KeyType.COSIGNATURE)
ROTATED = Signer("acme.example.com/trail", Ed25519PrivateKey.from_private_bytes(b"3" * 32))


def checkpoint(size: int = 700) -> Checkpoint:
    return Checkpoint(LOG.name, size, merkle.root_of(size, LOGS[700].nodes))


def signed(found: Checkpoint, *signers: Signer) -> Note:
    return Note(found.text, tuple(signer.sign(found.text) for signer in signers))


def test_keys_of_a_rotation_are_both_valid_and_a_witness_adds_its_own() -> None:
    note = signed(checkpoint(), LOG, ROTATED).also([WITNESS.cosign(checkpoint().text, 1_679_315_147)])
    again = Note.parse(str(note))
    for keys in ([LOG.key], [ROTATED.key], [LOG.key, ROTATED.key, WITNESS.key]):
        assert again.verified_by(keys) == keys
    assert Checkpoint.parse(again.text) == checkpoint()


def test_a_cosignature_counts_at_its_own_time_and_for_its_own_kind_of_key() -> None:
    found = checkpoint()
    line = WITNESS.cosign(found.text, 5)
    later = line.value[:7] + b"\x06" + line.value[8:]
    for value, key in ((later, WITNESS.key), (line.value, VerifierKey(WITNESS.name, WITNESS.key.public))):
        with pytest.raises(ValueError, match=r"forged|nobody"):
            Note(found.text, (type(line)(line.name, key.id, value),)).verified_by([key])


def test_a_witness_alone_makes_no_checkpoint_and_too_few_of_them_are_told() -> None:
    found = checkpoint()
    witnessed = signed(found).also([WITNESS.cosign(found.text, 5)])
    with pytest.raises(ValueError, match="itself did not sign"):
        trusted(witnessed, LOG.name, [LOG.key, WITNESS.key])
    imposter = Signer("bolt.example.com/trail", ROTATED.private)
    with pytest.raises(ValueError, match="itself did not sign"):
        trusted(signed(found, imposter), LOG.name, [LOG.key, imposter.key])
    both = witnessed.also([LOG.sign(found.text), WITNESS.cosign(found.text, 6)])
    assert trusted(both, LOG.name, [LOG.key, WITNESS.key], 1) == (found, [LOG.name, WITNESS.name])
    with pytest.raises(ValueError, match="1 of 2 witnesses"):
        trusted(both, LOG.name, [LOG.key, WITNESS.key], 2)


@pytest.mark.parametrize("text", ["", "o\n1\n", "o\n01\nA\n", "o\n-1\nA\n", "o\n1\nAA==\n", "\n1\nA\n", "o\n1\nx\n\ny\n", "o\n٣\nA\n"])  # fmt: skip  # noqa: E501
def test_what_is_no_checkpoint_is_refused(text) -> None:
    with pytest.raises(ValueError):
        Checkpoint.parse(text)


@given(st.integers(0, 699), st.none() | st.binary(max_size=40))
def test_a_proof_stands_alone_and_stands_for_one_entry_of_one_log(index, extra) -> None:
    log = LOGS[700]
    made = Proof(index, tuple(merkle.inclusion_proof(index, 700, log.nodes)), signed(checkpoint(), LOG), extra)
    read = Proof.parse(str(made))
    assert read == made
    assert read.verify(log.entries[index], LOG.name, [LOG.key]).size == 700
    with pytest.raises(ValueError, match="not at this index"):
        read.verify(b"forged", LOG.name, [LOG.key])
    with pytest.raises(ValueError, match="not of bolt"):
        read.verify(log.entries[index], "bolt.example.com/trail", [LOG.key])
    with pytest.raises(ValueError, match="nobody known"):
        read.verify(log.entries[index], LOG.name, [ROTATED.key])


@given(st.text(max_size=200))
def test_reading_whatever_comes_raises_one_kind_of_error(text) -> None:
    for read in (Note.parse, Checkpoint.parse, Proof.parse, VerifierKey.parse):
        try:
            read(text)
        except ValueError:
            continue
