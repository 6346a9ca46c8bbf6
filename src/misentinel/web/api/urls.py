"""Every URL of the API, each registered with the gate."""

from __future__ import annotations

from django.urls import URLPattern

from misentinel.web.api import activity_logs, ingest, log, people, rest, trail
from misentinel.web.api.scim import discovery, groups, searching, users

rest.mount(rest.routes)

urlpatterns: list[URLPattern] = [
    *ingest.routes.urlpatterns(),
    *rest.routes.urlpatterns(),
    *users.routes.urlpatterns(),
    *groups.routes.urlpatterns(),
    *discovery.routes.urlpatterns(),
    *searching.routes.urlpatterns(),
]

__all__ = [
    "activity_logs",
    "log",
    "people",
    "trail",
    "urlpatterns",
]  # importing the first four registered their operations
