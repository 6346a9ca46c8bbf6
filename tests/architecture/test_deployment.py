"""Django's own checks for a deployment (`check --deploy`) have nothing to say of our settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

SETTINGS = Path(__file__).parents[2] / "src/misentinel/site/settings.py"
SILENCED = re.compile(r'^    "(security\.W\d+)",  # (.+)$', re.MULTILINE)


@pytest.fixture(autouse=True)
def as_in_production(monkeypatch):
    """Driving a browser in the same process switches one of the checks' findings on."""
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)


def complaints() -> set[str]:
    return {message.id for message in run_checks(include_deployment_checks=True) if not message.is_silenced()}


def test_the_checks_for_a_deployment_find_nothing() -> None:
    assert complaints() == set()


def test_they_would_tell_of_a_careless_setting() -> None:
    with override_settings(DEBUG=True, SESSION_COOKIE_SECURE=False, SECURE_HSTS_SECONDS=0, SECRET_KEY="short"):
        assert {"security.W018", "security.W012", "security.W004", "security.W009"} <= complaints()


def test_each_check_that_is_silenced_says_who_does_it_instead() -> None:
    explained = dict(SILENCED.findall(SETTINGS.read_text()))
    assert set(explained) == set(settings.SILENCED_SYSTEM_CHECKS) and all(explained.values())
