"""A customer's key can be rotated under full sail, and destroyed with everything beneath it."""

from uuid import uuid4

import boto3
import pytest
from django.db import connections
from django.db.utils import IntegrityError
from moto import mock_aws

from misentinel.kernel.errors import Erased, Misconfigured, NotFound, Tampered
from misentinel.kernel.settings import Settings
from misentinel.vault import ports, rules
from misentinel.vault.actions import (
    create_customer_key,
    ensure_root_key,
    mint_person_keys,
    rotate_customer_key,
    shred_customer,
    shred_person,
)
from misentinel.vault.actions.rotation import _cipher
from misentinel.vault.models import CustomerKey, PersonKey, TokenKey
from misentinel.vault.ports.aws_kms import AwsKmsRootKey
from misentinel.vault.ports.sealed_file import SealedFileRootKey
from misentinel.vault.queries import drop_held_keys, person_keys, service_key, tokens
from misentinel.vault.queries.customers import customer_context
from misentinel.vault.queries.people import person_associated
from misentinel.vault.tests.test_person_keys import PLACE, SECRET, in_threads, new_customer, run


@pytest.fixture
def acme():
    return new_customer()


@pytest.fixture
def bolt():
    return new_customer()


def people_with_documents(customer_id, count):
    keys = mint_person_keys(customer_id, [uuid4() for _ in range(count)])
    return {person_id: key.seal(PLACE, str(person_id).encode()) for person_id, key in keys.items()}


def all_open(customer_id, documents):
    drop_held_keys()
    keys = person_keys(customer_id, documents)
    return keys.keys() == documents.keys() and all(
        keys[person_id].open(PLACE, sealed) == str(person_id).encode() for person_id, sealed in documents.items()
    )


def live_versions(customer_id):
    rows = CustomerKey.objects.using("vault").filter(customer_id=customer_id, wrapped__isnull=False)
    return sorted(rows.values_list("version", flat=True))


def test_creating_keys_twice_changes_nothing(acme):
    documents, token = people_with_documents(acme, 1), tokens(acme).email("rosa@example.com")
    create_customer_key(acme)
    assert all_open(acme, documents)
    assert tokens(acme).email("rosa@example.com") == token


def test_tokens_differ_between_customers_and_need_a_customer(acme, bolt):
    assert tokens(acme).email("rosa@example.com") != tokens(bolt).email("rosa@example.com")
    with pytest.raises(NotFound):
        tokens(uuid4())


def test_after_a_rotation_everything_opens_as_before(acme):
    documents, token = people_with_documents(acme, 25), tokens(acme).email("rosa@example.com")
    before = dict(PersonKey.objects.using("vault").filter(customer_id=acme).values_list("person_id", "wrapped"))
    told = []
    assert rotate_customer_key(acme, batch=10, progress=lambda done, total: told.append((done, total))) == 2
    assert told == [(10, 25), (20, 25), (25, 25)]
    assert all_open(acme, documents)
    assert tokens(acme).email("rosa@example.com") == token
    after = dict(PersonKey.objects.using("vault").filter(customer_id=acme).values_list("person_id", "wrapped"))
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_the_old_version_is_destroyed_and_even_a_stolen_copy_of_it_opens_nothing(acme):
    documents = people_with_documents(acme, 3)
    stolen = CustomerKey.objects.using("vault").get(customer_id=acme, version=1).wrapped
    thief = rules.Cipher(ports.root_key().unwrap(stolen, customer_context(acme, 1)))
    rotate_customer_key(acme)
    assert live_versions(acme) == [2]
    for row in PersonKey.objects.using("vault").filter(customer_id=acme):
        for version in (1, 2):
            with pytest.raises(Tampered):
                thief.open(person_associated(acme, row.person_id, version), row.wrapped)
    with pytest.raises(IntegrityError, match="stays destroyed"):
        run(
            "UPDATE vault_customerkey SET wrapped = %s, destroyed_at = NULL WHERE customer_id = %s AND version = 1",
            [stolen, acme],
        )
    assert all_open(acme, documents)


def test_a_rotation_that_was_cut_off_goes_on_where_it_stopped(acme):
    documents = people_with_documents(acme, 30)

    def cut_off(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate_customer_key(acme, batch=10, progress=cut_off)
    assert live_versions(acme) == [1, 2]
    assert all_open(acme, documents)
    documents |= people_with_documents(acme, 1)
    told = []
    assert rotate_customer_key(acme, batch=10, progress=lambda *step: told.append(step)) == 2
    assert told[-1] == (20, 20)  # ten were done, and who came since has the new version already
    assert live_versions(acme) == [2]
    assert all_open(acme, documents)


def test_rotating_leaves_tombstones_and_neighbours_alone(acme, bolt):
    documents, neighbours = people_with_documents(acme, 2), people_with_documents(bolt, 2)
    erased = documents.popitem()[0]
    shred_person(acme, erased)
    rotate_customer_key(acme)
    assert all_open(acme, documents)
    assert person_keys(acme, [erased]) == {}
    assert live_versions(bolt) == [1]
    assert all_open(bolt, neighbours)


def test_minting_reading_and_erasing_go_on_during_two_rotations_at_once(acme):
    documents = people_with_documents(acme, 60)
    erased = list(documents)[:20]

    def minting():
        return {k: v for _ in range(25) for k, v in people_with_documents(acme, 3).items()}

    def reading():
        return all(all_open(acme, dict(list(documents.items())[20:])) for _ in range(10))

    def erasing():
        return [shred_person(acme, person_id) for person_id in erased]

    def rotating():
        return [rotate_customer_key(acme, batch=7) for _ in range(3)]

    outcomes = in_threads(minting, minting, reading, erasing, rotating, rotating)
    for outcome in outcomes:
        assert not isinstance(outcome, Exception), outcome
    assert outcomes[2] is True
    assert len(live_versions(acme)) == 1
    kept = {k: v for k, v in documents.items() if k not in erased} | outcomes[0] | outcomes[1]
    assert all_open(acme, kept)
    assert person_keys(acme, erased) == {}


def test_a_customer_is_erased_with_everything_beneath_and_for_good(acme, bolt):
    documents, neighbours = people_with_documents(acme, 3), people_with_documents(bolt, 1)
    tokens(acme)
    stone = shred_customer(acme)
    for table in ("vault_customerkey", "vault_tokenkey", "vault_personkey"):
        left = run("SELECT count(wrapped) FROM " + table + " WHERE customer_id = %s", [acme])
        assert left == [(0,)], table
    assert person_keys(acme, documents) == {}
    for attempt in (tokens, create_customer_key, rotate_customer_key):
        with pytest.raises(Erased):
            attempt(acme)
    assert shred_customer(acme).destroyed_at == stone.destroyed_at
    assert all_open(bolt, neighbours)


def test_what_there_never_was_is_not_found():
    for attempt in (shred_customer, rotate_customer_key, tokens):
        with pytest.raises(NotFound):
            attempt(uuid4())


def test_minting_while_the_customer_is_erased_leaves_no_key(acme):
    for _ in range(15):
        customer_id, people = new_customer(), [uuid4() for _ in range(20)]
        outcomes = in_threads(
            lambda c=customer_id, p=people: mint_person_keys(c, p),
            lambda c=customer_id: shred_customer(c),
            lambda c=customer_id: rotate_customer_key(c),
            lambda c=customer_id, p=people: [shred_person(c, person_id) for person_id in p],
        )
        for outcome in outcomes:
            assert not isinstance(outcome, Exception) or isinstance(outcome, Erased), outcome
        assert run("SELECT count(wrapped) FROM vault_personkey WHERE customer_id = %s", [customer_id]) == [(0,)]
        assert live_versions(customer_id) == []
        assert person_keys(customer_id, people) == {}


@pytest.mark.parametrize("model", [CustomerKey, TokenKey])
def test_a_customers_keys_put_in_anothers_rows_do_not_open(acme, bolt, model):
    theirs = model.objects.using("vault").get(customer_id=acme).wrapped
    model.objects.using("vault").filter(customer_id=bolt).update(wrapped=theirs)
    drop_held_keys()
    with pytest.raises(Tampered):
        tokens(bolt)


def test_the_whole_vault_works_the_same_on_aws_kms(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        arn = boto3.client("kms", region_name="eu-west-2").create_key()["KeyMetadata"]["Arn"]
        with ports.using(AwsKmsRootKey.connect(arn, region="eu-west-2")):
            customer_id = new_customer()
            documents = people_with_documents(customer_id, 3)
            assert rotate_customer_key(customer_id) == 2
            assert all_open(customer_id, documents)
        drop_held_keys()
        with pytest.raises(Misconfigured, match="root key"):
            tokens(customer_id)  # the file that is in force otherwise is not the root key of these


def test_the_wrong_root_key_is_refused_in_one_sentence_that_names_both(acme, tmp_path):
    documents = people_with_documents(acme, 1)
    drop_held_keys()
    right, wrong = ports.root_key(), SealedFileRootKey.create(tmp_path / "root.key")
    with ports.using(wrong), pytest.raises(Misconfigured) as caught:
        person_keys(acme, documents)
    assert right.name in caught.value.message
    assert wrong.name in caught.value.message
    assert all_open(acme, documents)


def test_a_start_with_the_wrong_or_no_root_key_is_refused_and_makes_none(acme, tmp_path):
    service_key("test")
    with ports.using(ports.root_key()):
        with pytest.raises(Misconfigured, match="does not exist"):
            ensure_root_key(Settings(home=tmp_path))
        assert not list(tmp_path.iterdir())
        SealedFileRootKey.create(tmp_path / "root.key")
        with pytest.raises(Misconfigured, match="put the right root key back"):
            ensure_root_key(Settings(home=tmp_path))


def test_the_first_start_makes_the_root_key_and_the_next_one_finds_it(tmp_path):
    vault = connections["vault"]
    vault.set_autocommit(False)
    try:
        with vault.cursor() as cursor:
            cursor.execute("TRUNCATE vault_servicekey, vault_customerkey, vault_tokenkey, vault_personkey")
        drop_held_keys()
        with ports.using(ports.root_key()):
            first = ensure_root_key(Settings(home=tmp_path))
            assert ports.root_key() is first
            made = service_key("test")
            assert ensure_root_key(Settings(home=tmp_path)).name == first.name
            drop_held_keys()
            assert service_key("test") == made
    finally:
        vault.rollback()
        vault.set_autocommit(True)
        drop_held_keys()


def test_secret_documents_do_not_show_in_errors(acme):
    documents = people_with_documents(acme, 1)
    ((person_id, sealed),) = documents.items()
    with pytest.raises(Tampered) as caught:
        mint_person_keys(acme, [uuid4()]).popitem()[1].open(PLACE, sealed)
    assert SECRET.decode() not in str(caught.value)
    assert str(person_id) not in str(caught.value)


def test_a_version_that_is_missing_means_tampering_unless_the_customer_was_erased(acme, bolt):
    with pytest.raises(Tampered, match="names version 9"):
        _cipher(acme, 9)
    shred_customer(acme)
    drop_held_keys()
    with pytest.raises(Erased):  # however many keys its neighbours have
        _cipher(acme, 1)
    assert live_versions(bolt) == [1]
