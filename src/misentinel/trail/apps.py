from django.apps import AppConfig


class TrailConfig(AppConfig):
    name = "misentinel.trail"
    label = "trail"
    planes = frozenset({"control", "store"})
