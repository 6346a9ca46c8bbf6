from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "misentinel.events"
    label = "events"
    planes = frozenset({"store"})
