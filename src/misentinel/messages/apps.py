from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "misentinel.messages"
    label = "messages"
    planes = frozenset({"store"})
