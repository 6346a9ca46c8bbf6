from django.apps import AppConfig


class TeammatesConfig(AppConfig):
    name = "misentinel.teammates"
    label = "teammates"
    planes = frozenset({"control"})
