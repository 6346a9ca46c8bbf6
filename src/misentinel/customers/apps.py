from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "misentinel.customers"
    label = "customers"
    planes = frozenset({"control"})
