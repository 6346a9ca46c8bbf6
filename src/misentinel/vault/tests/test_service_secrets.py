"""The service's own secrets: stable, apart by purpose, bound to whose they are."""

from uuid import uuid4

import pytest

from misentinel.kernel.errors import Tampered
from misentinel.vault.models import ServiceKey
from misentinel.vault.queries import drop_held_keys, held, open_secret, seal_secret, service_key
from misentinel.vault.tests.test_person_keys import in_threads


def test_a_secret_opens_for_the_same_purpose_and_context_alone():
    sealed = seal_secret("totp", b"seed", "teammate-1")
    drop_held_keys()
    assert open_secret("totp", sealed, "teammate-1") == b"seed"
    for purpose, context in (("totp", "teammate-2"), ("password", "teammate-1"), ("tot", "pteammate-1"), ("", "")):
        with pytest.raises(Tampered):
            open_secret(purpose, sealed, context)
    with pytest.raises(Tampered):
        open_secret("totp", sealed[:-1], "teammate-1")


def test_a_purpose_has_one_key_for_ever_and_no_other_has_it():
    first = service_key("cookies")
    drop_held_keys()
    assert service_key("cookies") == first
    assert len(first) == 32
    assert service_key("pepper") != first


def test_a_key_for_signing_is_not_the_key_that_seals():
    sealed = seal_secret("totp", b"seed", "x")
    signing = service_key("totp")
    from misentinel.vault import rules

    with pytest.raises(Tampered):
        rules.Cipher(signing).open(rules.framed("service secret", "totp", "x"), sealed)


def test_many_processes_that_need_it_first_agree_on_one():
    before = list(ServiceKey.objects.using("vault").values_list("wrapped", flat=True))

    def need():
        drop_held_keys()
        return service_key("race")

    assert len(set(in_threads(*[need] * 5))) == 1
    assert len(ServiceKey.objects.using("vault").all()) == max(1, len(before))


def test_what_is_held_shows_nothing():
    service_key("shown")
    assert "hidden" in repr(held.service)
    assert str(uuid4()) not in repr(held.people)
