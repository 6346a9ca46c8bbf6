"""Every URL of the API, each registered with the gate."""

from __future__ import annotations

from django.urls import URLPattern

from misentinel.web.api import ingest, people, rest, trail

__all__ = ["people", "trail"]  # importing them registers their operations


def urlpatterns() -> list[URLPattern]:
    rest.mount(rest.routes)
    return [*ingest.routes.urlpatterns(), *rest.routes.urlpatterns()]
