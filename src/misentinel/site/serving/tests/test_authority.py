"""The local authority: what it issues, what it may speak for, and when it renews."""

from __future__ import annotations

import ipaddress
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from misentinel.kernel import clock
from misentinel.kernel.errors import Misconfigured, Unavailable
from misentinel.kernel.settings import Settings
from misentinel.site.serving.authority import ensure_certificate


def certificates(chain: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(chain.read_bytes())


def names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def test_the_certificate_speaks_for_the_local_names_and_the_public_one(tmp_path):
    settings = Settings(home=tmp_path, public_url="https://mail.example.com/")
    server, authority = certificates(ensure_certificate(settings).chain)
    assert names(server) == {"localhost", "127.0.0.1", "::1", "mail.example.com"}
    server.verify_directly_issued_by(authority)


def test_keys_are_readable_by_their_owner_alone(tmp_path):
    ensure_certificate(Settings(home=tmp_path))
    for name in ("authority.key", "server.pem"):
        assert stat.S_IMODE((tmp_path / "tls" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_trusting_the_authority_endangers_no_other_site(tmp_path):
    _, authority = certificates(ensure_certificate(Settings(home=tmp_path)).chain)
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert {str(tree.value) for tree in constraints.value.permitted_subtrees} == {
        "localhost",
        str(ipaddress.ip_network("127.0.0.1/32")),
        str(ipaddress.ip_network("::1/128")),
    }


def test_a_second_start_changes_nothing(tmp_path):
    settings = Settings(home=tmp_path)
    first = ensure_certificate(settings).chain.read_bytes()
    assert ensure_certificate(settings).chain.read_bytes() == first


def test_the_certificate_is_renewed_under_the_same_authority_when_fewer_than_thirty_days_remain(tmp_path):
    settings = Settings(home=tmp_path)
    before, authority = certificates(ensure_certificate(settings).chain)
    with clock.held(clock.now() + timedelta(days=59)):
        assert certificates(ensure_certificate(settings).chain)[0] == before
    with clock.held(clock.now() + timedelta(days=61)):
        after, same_authority = certificates(ensure_certificate(settings).chain)
    assert after != before
    assert same_authority == authority


def test_another_public_name_brings_a_certificate_that_speaks_for_it(tmp_path):
    ensure_certificate(Settings(home=tmp_path))
    chain = ensure_certificate(Settings(home=tmp_path, public_url="https://mail.example.com")).chain
    assert "mail.example.com" in names(certificates(chain)[0])


@pytest.mark.parametrize("name", ["authority.key", "authority.pem", "server.pem"])
def test_a_damaged_file_is_made_anew(tmp_path, name):
    settings = Settings(home=tmp_path)
    ensure_certificate(settings)
    (tmp_path / "tls" / name).write_text("damaged")
    server, authority = certificates(ensure_certificate(settings).chain)
    server.verify_directly_issued_by(authority)


def test_a_certificate_that_was_given_is_used_as_it_is(tmp_path):
    made = ensure_certificate(Settings(home=tmp_path))
    given = ensure_certificate(
        Settings(home=tmp_path / "other", tls_certificate=str(made.chain), tls_key=str(made.key))
    )
    assert (given.chain, given.authority) == (made.chain, None)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"tls_certificate": "/nowhere.pem", "tls_key": "/nowhere.key"}, "/nowhere.pem"),
        ({"tls_key": "/k"}, "tls_certificate"),
    ],
)
def test_a_missing_certificate_is_named(tmp_path, given, missing):
    with pytest.raises(Misconfigured, match=missing):
        ensure_certificate(Settings(home=tmp_path, **given))


def test_a_home_that_is_a_file_is_told_in_one_sentence(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        ensure_certificate(Settings(home=tmp_path / "home"))
