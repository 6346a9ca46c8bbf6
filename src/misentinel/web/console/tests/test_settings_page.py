"""Settings can be changed by whoever may, keep the input on a mistake, and never show a mail server's password."""

import dataclasses

import pytest
from django.conf import settings

from misentinel.customers.queries import get_customer
from misentinel.people.queries import list_attributes
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.trail.contracts import EntryFilter, Tag
from misentinel.trail.queries import list_entries
from tests.cast import hire, signed_in


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha Rao"))


FORM = {"name": "Acme Bicycles", "time_zone": "Europe/London", "mail_from": "ride@example.com"}


def test_a_change_is_kept_and_said(asha, acme):
    page = asha.post("/settings", FORM, follow=True)
    assert b"Saved." in page.content
    assert get_customer(acme.customer_id).mail_from == "ride@example.com"


def test_a_mistake_keeps_the_input_and_changes_nothing(asha, acme):
    page = asha.post("/settings", {**FORM, "mail_from": "not an address"})
    assert page.status_code == 422
    assert b"not an address" in page.content and b"aria-invalid" in page.content
    assert get_customer(acme.customer_id).mail_from == ""


def test_ben_without_the_permission_changes_nothing(acme):
    ben = signed_in(hire(acme.customer_id, "Ben Okoro", GRANTABLE - {Permission.APP_SETTINGS}))
    assert ben.post("/settings", FORM).status_code == 403
    assert get_customer(acme.customer_id).mail_from == ""


def test_the_mail_server_is_shown_without_its_password(asha, monkeypatch):
    secret = "smtp://mailer:hunter2-hunter2@mail.example.com:587?tls=starttls"
    with_server = dataclasses.replace(settings.MISENTINEL, smtp_url=secret)
    monkeypatch.setattr(settings, "MISENTINEL", with_server)
    page = asha.get("/settings").content.decode()
    assert "mail.example.com:587" in page
    assert "hunter2" not in page and "mailer" not in page


def test_an_attribute_is_declared_not_personal_and_that_is_on_the_trail(asha, acme):
    asha.post("/settings/attributes", {"name": "plan", "personal": "no"})
    assert [(each.name, each.personal) for each in list_attributes(acme)] == [("plan", False)]
    assert list_entries(acme, EntryFilter(tag=Tag.ATTRIBUTE_DECLARE)).entries


def test_a_name_cannot_be_declared_not_personal(asha, acme):
    page = asha.post("/settings/attributes", {"name": "firstName", "personal": "no"})
    assert page.status_code == 422 and b"always personal" in page.content
    assert list_attributes(acme) == []
