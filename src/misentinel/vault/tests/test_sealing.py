"""What is sealed opens with the same key in the same place, or not at all."""

import os
import pickle
import traceback
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from misentinel.kernel.errors import Tampered
from misentinel.vault import rules
from misentinel.vault.contracts import PersonKey, Place, Tokens

ACME, BOLT = uuid4(), uuid4()
ROSA, TOM = uuid4(), uuid4()
KEY = os.urandom(32)
SECRET = b'{"email":"rosa@example.com"}'
PLACE = Place("people_person", "sealed", uuid4())


def rosas_key(key=KEY, customer=ACME, person=ROSA):
    return PersonKey(customer, person, key)


def refused(key, place, sealed):
    with pytest.raises(Tampered) as caught:
        key.open(place, sealed)
    return caught.value


@given(plaintext=st.binary(max_size=5_000), row=st.text(max_size=80))
def test_what_is_sealed_opens_byte_for_byte(plaintext, row):
    place = replace(PLACE, row=row)
    sealed = rosas_key().seal(place, plaintext)
    assert rosas_key().open(place, sealed) == plaintext
    assert len(sealed) == len(plaintext) + rules.OVERHEAD


def test_a_database_may_hand_back_a_memoryview():
    assert rosas_key().open(PLACE, memoryview(rosas_key().seal(PLACE, SECRET))) == SECRET


def test_a_row_named_by_its_uuid_or_by_its_text_is_the_same_row():
    sealed = rosas_key().seal(PLACE, SECRET)
    assert rosas_key().open(replace(PLACE, row=str(PLACE.row)), sealed) == SECRET


def test_the_same_document_never_seals_to_the_same_bytes():
    sealed = {rosas_key().seal(PLACE, SECRET) for _ in range(1_000)}
    assert len({value[33:45] for value in sealed}) == 1_000


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, table="people_persons"),
        replace(PLACE, column="match"),
        replace(PLACE, row=uuid4()),
        replace(PLACE, table="people_personsealed", column=""),
        replace(PLACE, table="people_perso", column="nsealed"),
    ],
)
def test_a_value_moved_to_another_place_does_not_open(place):
    refused(rosas_key(), place, rosas_key().seal(PLACE, SECRET))


@given(parts=st.lists(st.text(max_size=3), max_size=4), others=st.lists(st.text(max_size=3), max_size=4))
def test_no_two_places_are_the_same_bytes(parts, others):
    assert (rules.framed(*parts) == rules.framed(*others)) == (parts == others)


def test_under_the_same_key_another_customer_or_person_does_not_open_it():
    sealed = rosas_key().seal(PLACE, SECRET)
    refused(rosas_key(customer=BOLT), PLACE, sealed)
    refused(rosas_key(person=TOM), PLACE, sealed)


def test_another_key_does_not_open_it():
    refused(rosas_key(os.urandom(32)), PLACE, rosas_key().seal(PLACE, SECRET))


def test_every_single_changed_bit_is_noticed():
    sealed = rosas_key().seal(PLACE, SECRET)
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            refused(rosas_key(), PLACE, bytes(changed))


def test_every_truncation_and_every_addition_is_noticed():
    sealed = rosas_key().seal(PLACE, SECRET)
    for length in range(len(sealed)):
        refused(rosas_key(), PLACE, sealed[:length])
    refused(rosas_key(), PLACE, sealed + b"\x00")
    refused(rosas_key(), PLACE, b"\x00" + sealed)


@given(noise=st.binary(max_size=300))
def test_noise_is_refused_and_never_crashes(noise):
    refused(rosas_key(), PLACE, noise)
    refused(rosas_key(), PLACE, b"\x01" + noise)


def test_a_ciphertext_that_would_decrypt_under_two_keys_opens_under_neither_stranger():
    """GCM alone accepts a ciphertext crafted for two keys. Here one is made, and the commitment refuses it."""
    ours, theirs = rosas_key(), rosas_key(os.urandom(32))
    nonce, crafted = opens_under_both(ours, theirs)
    for key in (ours, theirs):
        assert key._cipher._aead.decrypt(nonce, crafted, b"")  # the attack is real: bare GCM opens it
    for committed in (ours, theirs):
        sealed = b"\x01" + committed._cipher._commitment + nonce + crafted
        assert committed._cipher.open(b"", sealed)
        stranger = theirs if committed is ours else ours
        with pytest.raises(Tampered):
            stranger._cipher.open(b"", sealed)


def test_a_replaced_commitment_is_refused():
    ours, theirs = rosas_key(), rosas_key(os.urandom(32))
    sealed = ours.seal(PLACE, SECRET)
    swapped = sealed[:1] + theirs._cipher._commitment + sealed[33:]
    refused(ours, PLACE, swapped)
    refused(theirs, PLACE, swapped)


def test_the_commitment_tells_nothing_of_the_key():
    cipher = rules.Cipher(KEY)
    assert KEY not in cipher._header
    assert cipher._commitment != rules.Cipher(os.urandom(32))._commitment


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_the_wrong_length_is_refused(length):
    with pytest.raises(ValueError, match="32 bytes"):
        rules.Cipher(os.urandom(length))


def test_keys_for_different_purposes_are_different():
    assert len({rules.derive(KEY, purpose) for purpose in ("totp", "pepper", "cookie", "")}) == 4


@pytest.mark.parametrize("thing", [PersonKey(ACME, ROSA, KEY), Tokens(ACME, KEY), rules.Cipher(KEY)])
def test_no_key_shows_in_a_repr_or_leaves_in_a_pickle(thing):
    for text in (repr(thing), str(thing), f"{thing}", repr([thing])):
        assert KEY.hex() not in text
        assert repr(KEY)[2:-1] not in text
        assert "hidden" in text
    with pytest.raises(TypeError):
        pickle.dumps(thing)


def test_a_refusal_shows_neither_key_nor_document_nor_which_part_was_wrong():
    sealed = rosas_key().seal(PLACE, SECRET)
    errors = [
        refused(rosas_key(), PLACE, sealed[:-1]),
        refused(rosas_key(os.urandom(32)), PLACE, sealed),
        refused(rosas_key(), replace(PLACE, row="1"), sealed),
        refused(rosas_key(), PLACE, b""),
    ]
    assert len({str(error) for error in errors}) == 1
    told = "".join("".join(traceback.format_exception(error)) for error in errors)
    for hidden in ("rosa@example.com", KEY.hex(), repr(KEY)[2:-1], sealed.hex()):
        assert hidden not in told


def opens_under_both(first, second):
    """Makes a nonce and a ciphertext that GCM opens under both keys (Len and others, 2021, section 3.1).

    With empty associated data and a ciphertext of two blocks, the tag is linear in the free block: it is solved for
    in GF(2^128) so that both keys give the same tag.
    """
    nonce = b"\x07" * 12
    blocks = bytes(16)
    sides = []
    for key in (first, second):
        aead = key._cipher._aead
        # The tag of a ciphertext C1‖C2 is C1·H³ ⊕ C2·H² ⊕ len·H ⊕ E(J0): learn it at C = 0 and how it moves with C1.
        stream = aead.encrypt(nonce, bytes(32), b"")[:32]
        sides.append((aead, stream))
    base, moves = [], []
    for aead, stream in sides:
        base.append(_tag(aead, nonce, stream, blocks + blocks))
        moves.append(
            [_tag(aead, nonce, stream, (1 << bit).to_bytes(16, "big") + blocks) ^ base[-1] for bit in range(128)]
        )
    columns = [a ^ b for a, b in zip(*moves, strict=True)]
    free = _solve(columns, base[0] ^ base[1])
    ciphertext = free.to_bytes(16, "big") + blocks
    tag = _tag(*_side(sides[0], nonce), ciphertext)
    assert tag == _tag(*_side(sides[1], nonce), ciphertext)
    return nonce, ciphertext + tag.to_bytes(16, "big")


def _side(side, nonce):
    aead, stream = side
    return aead, nonce, stream


def _tag(aead: AESGCM, nonce, stream, ciphertext) -> int:
    plaintext = bytes(a ^ b for a, b in zip(stream, ciphertext, strict=True))
    sealed = aead.encrypt(nonce, plaintext, b"")
    assert sealed[:32] == ciphertext
    return int.from_bytes(sealed[32:], "big")


def _solve(columns, wanted) -> int:
    """Returns the bits of which columns, XORed, make `wanted` (Gauss over GF(2))."""
    pivots: dict[int, tuple[int, int]] = {}
    for bit, column in enumerate(columns):
        chosen = 1 << bit
        while column and column.bit_length() in pivots:
            other, by = pivots[column.bit_length()]
            column, chosen = column ^ other, chosen ^ by
        if column:
            pivots[column.bit_length()] = (column, chosen)
    answer = 0
    while wanted:
        column, chosen = pivots[wanted.bit_length()]
        wanted, answer = wanted ^ column, answer ^ chosen
    return answer


def test_the_ids_of_a_key_can_be_read():
    assert isinstance(rosas_key().person_id, UUID)
    assert rosas_key().customer_id == ACME
