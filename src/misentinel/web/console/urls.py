"""Every page of the console; importing a page registers its routes."""

from __future__ import annotations

from misentinel.web.console.pages import overview, people, settings, trail
from misentinel.web.console.routes import routes

PAGES = (overview, people, settings, trail)
urlpatterns = routes.urlpatterns()
