"""Whoever holds a key for the activity log copies the log, file by file, and believes none of it unverified."""

from __future__ import annotations

import pytest
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.ids import new_id
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind, Permission
from misentinel.trail.actions import record, seal
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries, log_of
from misentinel.trail.rules.checkpoints import Checkpoint, Proof
from misentinel.trail.rules.notes import Note, VerifierKey
from misentinel.trail.rules.tiles import bundles_of, tiles_of
from misentinel.trail.rules.verifying import verify_log


def reader(store, *permissions: Permission) -> Client:
    made = create_credential(
        system("test"), store.customer_id, CredentialKind.API_TOKEN, name="Copy", permissions=permissions
    )
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


@pytest.fixture
def sealed(acme):
    with acme.atomic():
        ids = [record(acme, system("test"), Tag.PERSON_VIEW, object_id=new_id()) for _ in range(270)]
    seal(log_of(acme))
    return ids


def fetch(client: Client, path: str) -> bytes | None:
    answer = client.get(f"/api/log/{path}")
    return answer.content if answer.status_code == 200 else None


def test_the_whole_log_is_fetched_and_verified_with_the_key_it_gave(acme, sealed):
    client = reader(acme, Permission.TRAIL)
    keys = client.get("/api/log/keys").json()
    trusted = [VerifierKey.parse(key) for key in keys["keys"]]
    report = verify_log(lambda path: fetch(client, path), trusted, keys["origin"])
    assert report.holds and report.entries > 270
    entries = list_entries(acme, EntryFilter(tag="log:read")).entries
    size = report.checkpoint.size
    files = ["checkpoint", *(n.path for n in tiles_of(size)), *(n.path for n in bundles_of(size))]
    assert {e.details["file"] for e in entries if "file" in e.details} == set(files[1:])
    assert {(e.actor_kind, e.object_kind, e.object_id) for e in entries} == {("api_token", "log", keys["origin"])}


def test_a_tile_may_be_kept_for_ever_by_who_asked_and_a_checkpoint_not_at_all(acme, sealed):
    client = reader(acme, Permission.TRAIL)
    for path in ("tile/0/000", "tile/entries/000", "tile/0/001.p/1", "tile/1/000.p/1"):
        answer = client.get(f"/api/log/{path}")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/octet-stream"), path
        assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
        assert "Authorization" in answer["Vary"]
    answer = client.get("/api/log/checkpoint")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("text/plain; charset=utf-8", "no-store")


@pytest.mark.parametrize("path", ["tile/0/001", "tile/0/000.p/256", "tile/9/000", "tile/0/x999/999", "tile/0/../000"])
def test_what_the_log_does_not_have_is_not_there_and_never_kept(acme, sealed, path):
    answer = reader(acme, Permission.TRAIL).get(f"/api/log/{path}")
    assert (answer.status_code, answer["Cache-Control"]) == (404, "no-store")


def test_a_partial_tile_stays_what_it_was_when_the_log_has_grown(acme, sealed):
    client = reader(acme, Permission.TRAIL)
    size = Checkpoint.parse(Note.parse(fetch(client, "checkpoint")).text).size
    paths = [f"tile/{level}/001.p/{size % 256}" for level in ("0", "entries")]
    before = [fetch(client, path) for path in paths]
    with acme.atomic():
        for _ in range(300):
            record(acme, system("test"), Tag.PERSON_VIEW)
    seal(log_of(acme))
    assert [fetch(client, path) for path in paths] == before and None not in before


def test_an_entrys_proof_is_one_file_that_brings_its_entry(acme, sealed):
    client = reader(acme, Permission.TRAIL)
    keys = client.get("/api/log/keys").json()
    answer = client.get(f"/api/trail/{sealed[3]}/proof")
    proof = Proof.parse(answer.content.decode())
    proof.verify(proof.extra, keys["origin"], [VerifierKey.parse(key) for key in keys["keys"]])
    assert str(sealed[3]).encode() in proof.extra
    assert [e.object_id for e in list_entries(acme, EntryFilter(tag="log:prove")).entries] == [str(sealed[3])]
    assert client.get(f"/api/trail/{new_id()}/proof").status_code == 404


def test_the_log_is_for_who_may_read_the_activity_log_of_that_customer(acme, bolt, sealed):
    paths = ("/api/log/keys", "/api/log/checkpoint", "/api/log/tile/0/000", f"/api/trail/{sealed[0]}/proof")
    for path in paths:
        assert reader(acme, Permission.USER_DATA).get(path).status_code == 403
        assert Client().get(path).status_code == 401
        if "keys" not in path:  # Bolt's own is another, with nothing sealed in it
            assert reader(bolt, Permission.TRAIL).get(path).status_code == 404
