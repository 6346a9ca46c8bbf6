"""The console as a Django app: templates, static files and template tags; no models."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "misentinel.web.console"
    label = "console"
    planes: frozenset[str] = frozenset()
