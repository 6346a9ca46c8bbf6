from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "misentinel.store"
    label = "store"
    planes = frozenset({"control", "store"})
