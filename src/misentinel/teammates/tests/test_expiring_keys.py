"""Whoever looks after keys is told once, a week before one ends."""

from __future__ import annotations

from datetime import timedelta

from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, in_future, now
from misentinel.teammates import actions
from misentinel.teammates.contracts import CredentialKind, Notice, Permission
from misentinel.teammates.jobs import tell_of_expiring_keys
from misentinel.teammates.models import NoticeRecord
from misentinel.teammates.queries.own_account import open_notice
from tests.cast import hire


def test_a_key_that_ends_within_a_week_is_told_of_once_to_whoever_looks_after_keys(acme) -> None:
    asha = hire(acme.customer_id, "Asha", {Permission.APPS_AND_API})
    hire(acme.customer_id, "Ben", {Permission.TRAIL})
    ids = {}
    for name, days in (("Shop", 8), ("Till", 30), ("Gone", 8), ("Endless", None)):
        made = actions.create_credential(
            system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name=name,
            expires_at=in_future(days=days) if days else None,
        )  # fmt: skip
        ids[name] = made.view.id
    actions.revoke_credential(system("test"), acme.customer_id, ids["Gone"])
    told = NoticeRecord.objects.filter(teammate__customer_id=acme.customer_id, kind=Notice.KEY_EXPIRES.value)
    tell_of_expiring_keys()
    assert not told.exists()
    with held(now() + timedelta(days=1, hours=1)):
        tell_of_expiring_keys()
        tell_of_expiring_keys()
    (notice,) = told
    assert notice.teammate_id == asha.id
    assert "Shop" in open_notice(notice)["text"]
