from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "misentinel.people"
    label = "people"
    planes = frozenset({"store"})
