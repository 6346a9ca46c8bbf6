from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "misentinel.web"
    label = "web"
