"""Witnesses cosign what continues what they saw, and nobody has to take our word for who did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import ProgrammingError
from django.test import override_settings
from procrastinate.contrib.django.models import ProcrastinateJob

from misentinel.kernel.actor import system
from misentinel.kernel.errors import Misconfigured, Unavailable
from misentinel.kernel.outgoing import Answer
from misentinel.site import jobs, wiring
from misentinel.trail import queries
from misentinel.trail.actions import ask_witness, record, seal
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.models import Cosignature
from misentinel.trail.rules import merkle
from misentinel.trail.rules.checkpoints import Checkpoint, Proof, trusted
from misentinel.trail.rules.encoding import from_base64
from misentinel.trail.rules.notes import KeyType, Note, Signer, VerifierKey
from misentinel.trail.rules.witnessing import SIZE_TYPE, Witness, witnesses_in

ADDRESS = "https://witness.example.com/w"


class WitnessServer:
    """A witness as C2SP tlog-witness specifies it, for the logs whose keys it knows."""

    def __init__(self, keys: list[VerifierKey], name: str = "witness.example.com/w") -> None:
        self.signer = Signer(name, Ed25519PrivateKey.generate(), KeyType.COSIGNATURE)
        self.keys, self.seen, self.asked = keys, {}, []

    @property
    def known_as(self) -> Witness:
        return Witness(self.signer.key, ADDRESS)

    def __call__(self, url: str, body: bytes) -> Answer:
        self.asked.append(url)
        head, _, rest = body.decode().partition("\n\n")
        old, *proof = head.split("\n")
        note = Note.parse(rest)
        found = Checkpoint.parse(note.text)
        keys = [key for key in self.keys if key.name == found.origin]
        if not keys:
            return self.answer(404)
        try:
            trusted(note, found.origin, keys)
        except ValueError:
            return self.answer(403)
        size, root = self.seen.get(found.origin, (0, merkle.EMPTY_ROOT))
        if int(old.removeprefix("old ")) != size:
            return self.answer(409, f"{size}\n", SIZE_TYPE)
        steps = [from_base64(step) for step in proof]
        if not merkle.proves_consistency(size, found.size, root, found.root, steps):
            return self.answer(422)
        self.seen[found.origin] = found.size, found.root
        return self.answer(200, self.signer.cosign(note.text, 1_790_000_000).line)

    def answer(self, status: int, told: str = "", kind: str = "text/plain") -> Answer:
        return Answer(status, {"content-type": kind}, told.encode())


def grow(store, count: int = 3):
    with store.atomic():
        ids = [record(store, system("test"), Tag.PERSON_VIEW) for _ in range(count)]
    log = queries.log_of(store)
    while seal(log):
        pass
    return log, ids


def refusals(log):
    return queries.list_platform_entries(EntryFilter(tag="checkpoint:witness", object_id=log.origin)).entries


def test_a_checkpoint_is_cosigned_stored_and_served_and_a_proof_carries_it(acme):
    log, ids = grow(acme)
    witness = WitnessServer(queries.verifier_keys(log))
    assert ask_witness(log, witness.known_as, witness)
    assert witness.asked == [f"{ADDRESS}/add-checkpoint"]
    keys = [*queries.verifier_keys(log), witness.signer.key]
    _, names = trusted(queries.latest_checkpoint(log), log.origin, keys, witnesses=1)
    assert names == [log.origin, witness.signer.name]
    later, _ = grow(acme)  # not cosigned yet: what a witness has signed proves more than what is newest
    data, proof = queries.prove(later, ids[0])
    Proof.parse(str(proof)).verify(data, log.origin, keys, witnesses=1)
    assert ask_witness(log, witness.known_as, witness)
    trusted(queries.latest_checkpoint(log), log.origin, keys, witnesses=1)


def test_what_is_witnessed_is_not_asked_for_again(acme):
    log, _ = grow(acme)
    witness = WitnessServer(queries.verifier_keys(log))
    for _ in range(2):
        assert ask_witness(log, witness.known_as, witness)
    assert len(witness.asked) == 1


def test_a_witness_that_saw_more_than_we_remember_says_so_and_is_asked_from_there(acme):
    log, _ = grow(acme)
    witness = WitnessServer(queries.verifier_keys(log))
    found = Checkpoint.parse(queries.latest_checkpoint(log).text)
    witness.seen[log.origin] = found.size, found.root  # its answer was lost on the way to us
    grow(acme, 5)
    assert ask_witness(log, witness.known_as, witness)
    assert len(witness.asked) == 2


def test_a_history_that_was_replaced_is_refused_and_told_once(acme):
    log, _ = grow(acme)
    witness = WitnessServer(queries.verifier_keys(log))
    witness.seen[log.origin] = 2, bytes(32)
    for _ in range(3):
        assert not ask_witness(log, witness.known_as, witness)
    (entry,) = refusals(log)
    assert (entry.outcome, entry.details["why"]) == ("refused", "it answered 422")
    assert not Cosignature.objects.using(acme.alias).exists()


def test_a_witness_that_has_seen_a_larger_log_than_ours_is_a_refusal(acme):
    log, _ = grow(acme)
    witness = WitnessServer(queries.verifier_keys(log))
    witness.seen[log.origin] = 10**9, bytes(32)
    assert not ask_witness(log, witness.known_as, witness)
    assert "no beginning" in refusals(log)[0].details["why"]


@pytest.mark.parametrize("kind", ["forged", "another's", "nothing", "no text"])
def test_a_cosignature_that_is_not_the_witnesss_own_is_not_kept(acme, kind):
    log, _ = grow(acme)
    witness, other = (WitnessServer(queries.verifier_keys(log), f"{name}.example.com/w") for name in ("one", "two"))

    def answer(url: str, body: bytes) -> Answer:
        text = Note.parse(body.decode().partition("\n\n")[2]).text
        told = {
            "forged": witness.signer.cosign(text + "x\n", 5).line, "another's": other.signer.cosign(text, 5).line,
            "nothing": "", "no text": "\x00",
        }[kind]  # fmt: skip
        return Answer(200, {}, told.encode())

    assert not ask_witness(log, witness.known_as, answer)
    assert not Cosignature.objects.using(acme.alias).exists() and len(refusals(log)) == 1


def test_a_witness_that_is_away_hinders_nothing(acme):
    def away(url: str, body: bytes) -> Answer:
        raise Unavailable("nobody answers")

    log, _ = grow(acme)
    assert not ask_witness(log, WitnessServer([]).known_as, away)
    assert refusals(log) == []


def test_the_customers_role_cannot_take_a_cosignature_away(acme):
    log, _ = grow(acme)
    witness = WitnessServer(queries.verifier_keys(log))
    ask_witness(log, witness.known_as, witness)
    with pytest.raises(ProgrammingError), acme.atomic():
        Cosignature.objects.using(acme.alias).all().delete()


def test_the_setting_names_witnesses_and_nothing_else(acme):
    one, two = WitnessServer([], "one.example.com/w").known_as, WitnessServer([], "two.example.com/w").known_as
    assert witnesses_in(f"{one.key} {ADDRESS}, {two.key} {ADDRESS}/") == [one, Witness(two.key, f"{ADDRESS}/")]
    assert witnesses_in(f"{two.key} {ADDRESS}/")[0].add_url == f"{ADDRESS}/add-checkpoint"
    log, _ = grow(acme)
    for wrong in ("nobody", f"{queries.verifier_keys(log)[0]} {ADDRESS}"):
        with pytest.raises(ValueError):
            witnesses_in(wrong)
    wrong = replace(settings.MISENTINEL, log_witnesses="nobody")
    with override_settings(MISENTINEL=wrong), pytest.raises(Misconfigured, match="log_witnesses"):
        wiring.connect()


@pytest.mark.parametrize("url", ["https://127.0.0.1/w", "http://witness.example.com/w", "https://localhost:5432"])
def test_the_worker_asks_the_witnesses_of_the_setting_and_nobody_on_this_machine(acme, url):
    grow(acme)
    named = replace(settings.MISENTINEL, log_witnesses=f"{WitnessServer([]).signer.key} {url}")
    with override_settings(MISENTINEL=named):
        jobs.sweep(0)
        jobs.ask_witnesses(str(acme.customer_id))
    waiting = ProcrastinateJob.objects.filter(task_name="ask_witnesses", args={"log": str(acme.customer_id)})
    assert waiting.exists() and not Cosignature.objects.using(acme.alias).exists()
