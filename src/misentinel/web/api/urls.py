"""Every URL of the API, each registered with the gate."""

from __future__ import annotations

from django.urls import URLPattern

from misentinel.web.api import ingest, log, people, rest, trail
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

__all__ = ["log", "people", "trail", "urlpatterns"]  # importing log, people and trail registered their operations
