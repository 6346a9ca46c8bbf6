"""What holds for every account, from before it can do anything: no default, no way round, nothing remembered."""

from __future__ import annotations

import pkgutil
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django import forms

from misentinel.kernel.actor import anonymous, system
from misentinel.kernel.clock import held, now
from misentinel.site.serving.demo import ensure_demo
from misentinel.store.contracts import Store
from misentinel.teammates import actions, passwords, second_factor
from misentinel.teammates.models import Enrolment, Teammate
from misentinel.teammates.queries import list_credentials, list_teammates, principal_of_session
from misentinel.web import console
from tests.cast import ADDRESS, code_for, hire, start_session

PASSWORD = "Seven  quiet Otters by the weir "


def test_no_account_is_there_by_default(acme: Store) -> None:
    """A new customer has nobody and no key; the demo's owner can do nothing until they have enrolled."""
    assert list_teammates(acme.customer_id) == [] and list_credentials(acme.customer_id) == []
    owner = Teammate.objects.get(email=ensure_demo().owner)
    assert owner.enrolled_at is None and not owner.has_usable_password() and not owner.may_sign_in


def test_a_password_is_taken_as_it_was_typed(acme: Store) -> None:
    """Case, blanks at both ends and between, and the last of 256 characters count; there is no rule of composition, and
    no day after which it ends."""
    zoe = hire(acme.customer_id, "Zoe")
    zoe.password = passwords.digest(zoe, PASSWORD)
    with held(now() + timedelta(days=3000)):
        assert passwords.matches(zoe, PASSWORD)
    for other in (PASSWORD.lower(), PASSWORD.strip(), PASSWORD.replace("  ", " "), PASSWORD[:-1], f"{PASSWORD}."):
        assert not passwords.matches(zoe, other), other
    longest = " ".join(f"{PASSWORD}{n}" for n in range(9))[: passwords.LONGEST]
    assert len(longest) == 256
    zoe.password = passwords.digest(zoe, longest)
    assert passwords.matches(zoe, longest) and not passwords.matches(zoe, longest[:-1] + "?")
    for plain in ("otters weir quiet seven lantern", "ОТТЕРЫ у тихой плотины семь 🦦", "4719 2038 5561 9947 3320"):
        passwords.digest(zoe, plain)


def test_password_fields_hide_what_is_typed_and_let_managers_fill_them() -> None:
    fields = [
        (form, name, field)
        for module in pkgutil.walk_packages(console.__path__, f"{console.__name__}.")
        if ".tests" not in module.name
        for form in vars(import_module(module.name)).values()
        if isinstance(form, type) and issubclass(form, forms.Form)
        for name, field in form.base_fields.items()
        if "password" in name or "password" in str(field.widget.attrs.get("autocomplete", ""))
    ]
    assert len(fields) >= 2
    for form, name, field in fields:
        widget = field.widget
        assert isinstance(widget, forms.PasswordInput) and not widget.render_value, (form, name)
        assert widget.attrs["autocomplete"] in {"current-password", "new-password"}, (form, name)
        assert isinstance(field, forms.CharField) and not field.strip and field.max_length >= 256, (form, name)
    templates = Path(console.__path__[0]).glob("templates/**/*.html")
    assert not [
        page for page in templates if 'autocomplete="off"' in page.read_text() and "password" in page.read_text()
    ]
    scripts = Path(console.__path__[0]).glob("static/console/*.js")
    assert not [script for script in scripts if "paste" in script.read_text()]


def test_enrolling_anew_ends_every_other_session(acme: Store) -> None:
    zoe = hire(acme.customer_id, "Zoe")
    before = [start_session(zoe), start_session(zoe)]
    link = actions.renew_enrolment(system("test"), acme.customer_id, zoe.id)
    assert all(principal_of_session(session).usable for session in before)  # a link alone changes nothing
    row = Enrolment.objects.get(teammate=zoe, ended_at=None)
    actions.choose_password(anonymous(ADDRESS), row.id, PASSWORD)
    code = code_for(actions.totp_seed(row.id))
    _, session = actions.complete_enrolment(anonymous(ADDRESS), row.id, code, device="Firefox")
    assert link.teammate_id == zoe.id and principal_of_session(session.id).usable
    assert {principal_of_session(one).why_not for one in before} == {"session_revoked"}


def test_an_administrator_ends_a_teammates_sessions(acme: Store, bolt: Store) -> None:
    zoe, mallory = hire(acme.customer_id, "Zoe"), hire(bolt.customer_id, "Mallory")
    sessions = [start_session(zoe), start_session(zoe)]
    others = start_session(mallory)
    assert actions.revoke_sessions(system("test"), acme.customer_id, zoe.id) == 2
    assert {principal_of_session(one).why_not for one in sessions} == {"session_revoked"}
    assert principal_of_session(others).usable


def test_recovery_codes_are_too_random_to_be_guessed_from_their_digests(acme: Store) -> None:
    """ASVS 5.0, 6.5.2: a plain digest is enough from 112 bits on."""
    codes = second_factor.replace_recovery_codes(hire(acme.customer_id, "Zoe"))
    bare = [code.replace("-", "") for code in codes]
    assert len(set(bare)) == 10
    assert min(len(code) for code in bare) * 5 >= 112
    assert len({code[n] for code in bare for n in range(len(code))}) > 20


@pytest.mark.parametrize("ends", ["suspended", "revoked"])
def test_who_is_out_cannot_come_back_with_what_they_kept(acme: Store, ends: str) -> None:
    zoe = hire(acme.customer_id, "Zoe", [])
    session = start_session(zoe)
    if ends == "suspended":
        actions.suspend_teammate(system("test"), acme.customer_id, zoe.id)
        actions.reinstate_teammate(system("test"), acme.customer_id, zoe.id)
    else:
        actions.revoke_sessions(system("test"), acme.customer_id, zoe.id)
    assert not principal_of_session(session).usable
