"""The tables are what the models say: no model has changed without its migration."""

from __future__ import annotations

from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import CheckConstraint, Q

from misentinel.vault.models import CustomerKey


def missing() -> list[str]:
    """What migrations would have to do, by app."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(graph=loader.graph)
    return [f"{app}: {step.describe()}" for app, found in changes.items() for each in found for step in each.operations]


def test_every_change_of_a_model_has_its_migration() -> None:
    assert missing() == []


def test_one_without_is_noticed(monkeypatch) -> None:
    weaker = CheckConstraint(condition=Q(version__gte=0), name="vault_customerkey_key_or_tombstone")
    monkeypatch.setitem(CustomerKey._meta.original_attrs, "constraints", [weaker])
    monkeypatch.setattr(CustomerKey._meta, "constraints", [weaker])
    assert any(told.startswith("vault: ") for told in missing())
