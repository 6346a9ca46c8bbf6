"""Which database a model lives in, and the router that refuses to guess whose store is meant."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import Model

from misentinel.kernel.errors import StoreNotNamed

CONTROL, VAULT, STORE = "control", "vault", "store"
_ALIAS = {CONTROL: "default", VAULT: "vault"}
STORE_PREFIX = "store:"  # aliases of stores, opened as the customer's role
OWNER_PREFIX = "owner:"  # the same databases, opened as the role that owns the tables: migrations only


def planes_of(model: type[Model]) -> frozenset[str]:
    """The planes that hold `model`'s table: its own `plane`, else those of its app, else (Django's own) control."""
    own = getattr(model, "plane", None)
    if own is not None:
        return frozenset({own})
    return app_planes(model._meta.app_label)


def app_planes(label: str) -> frozenset[str]:
    declared: frozenset[str] = getattr(apps.get_app_config(label), "planes", frozenset({CONTROL}))
    return declared


def plane_of_alias(alias: str) -> str:
    if alias.startswith((STORE_PREFIX, OWNER_PREFIX)):
        return STORE
    return VAULT if alias == "vault" else CONTROL


class Router:
    """Answers for control and vault; for a store's models only repeats what the caller already named."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        planes = planes_of(model)
        if STORE not in planes:
            (plane,) = planes
            return _ALIAS[plane]
        instance = hints.get("instance")
        named: str | None = instance._state.db if instance is not None else None
        if named is None:
            raise StoreNotNamed(f"A query on {model._meta.label} did not name its store: use `.using(store.alias)`.")
        return named

    db_for_write = db_for_read

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool:
        return obj1._state.db == obj2._state.db

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        plane = plane_of_alias(db)
        if model_name is None:
            return plane in app_planes(app_label)
        try:
            model = apps.get_model(app_label, model_name)
        except LookupError:  # a model of the past, or one that migrations made up
            return plane in app_planes(app_label)
        return plane in planes_of(model)
